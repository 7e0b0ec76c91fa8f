"""The horizon: the last date that a provider may be asked for while a stage runs.

A stage runs under the horizon of its as-of, in a run and in each replay of the past. To ask for a later bar is an
error, not a shorter answer: a stage that does so would be wrong on any date but today's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.errors import LookAheadError

if TYPE_CHECKING:
    import pandas as pd

    from quantflow.config.sections import UniverseConfig
    from quantflow.data.providers.base import Provider

_end: ContextVar[date | None] = ContextVar("history_end", default=None)
_active: list[date] = []
"""All horizons of this process, for threads that a stage starts: these do not inherit its context."""


@contextmanager
def history_ends(last: date) -> Iterator[None]:
    """Refuse bars after *last* inside, of every provider; inside another horizon the earlier one counts."""
    token = _end.set(_earlier(_end.get(), last))
    _active.append(last)
    try:
        yield
    finally:
        _active.remove(last)
        _end.reset(token)


def refuse_later(end: date, opened: date | None = None) -> date | None:
    """Return the horizon, None when there is none.

    Args:
        end: The last date that a provider is asked for.
        opened: A horizon from before, e.g. of when the provider was opened; the earlier one counts.

    Raises:
        LookAheadError: If *end* is after the horizon.
    """
    last = _earlier(_end.get() or min(_active, default=None), opened)
    if last is not None and end > last:
        raise LookAheadError(
            f"The provider is asked for bars up to {end}, and history ends on {last}.",
            hint="A stage may ask for bars up to as_of in its config, which is the date of each replay too.",
        )
    return last


def bounded(provider: Provider) -> Provider:
    """Return *provider*, which then gives no bar after the horizon of its caller, nor of the one who opened it."""
    return _Bounded(provider, _end.get())


def _earlier(one: date | None, other: date | None) -> date | None:
    return min((last for last in (one, other) if last is not None), default=None)


class _Bounded:
    """A provider that keeps the horizon.

    Instruments and facts are as they are today: providers keep no history of them.
    """

    def __init__(self, provider: Provider, opened: date | None) -> None:
        self.name, self._provider, self._opened = provider.name, provider, opened

    def __getattr__(self, name: str) -> Any:
        if name == "_provider":  # not there yet while a copy is made
            raise AttributeError(name)
        return getattr(self._provider, name)

    def instruments(self, universe: UniverseConfig) -> pd.DataFrame:
        """Return what the provider has; see ``Provider.instruments``."""
        return self._provider.instruments(universe)

    def bars(self, symbols: Sequence[str], start: date | None, end: date) -> Any:
        """Return the bars up to *end*; see ``Provider.bars``.

        Raises:
            LookAheadError: If *end* is after the horizon.
        """
        last = refuse_later(end, self._opened)
        found = self._provider.bars(symbols, start, end)
        return found if last is None else _up_to(found, last)

    def facts(self, symbols: Sequence[str]) -> pd.DataFrame:
        """Return what the provider has; see ``Provider.facts``."""
        return self._provider.facts(symbols)

    def last_date(self) -> date | None:
        """Return the provider's last date, or the horizon when that is earlier."""
        last, horizon = self._provider.last_date(), _earlier(_end.get(), self._opened)
        return _earlier(last, horizon)


def _up_to(found: pd.DataFrame | Iterable[pd.DataFrame], last: date) -> pd.DataFrame | Iterator[pd.DataFrame]:
    """Return the rows up to *last*, whatever the provider gave."""
    if type(found).__name__ == "DataFrame":
        return _rows(found, last)
    return (_rows(table, last) for table in found)


def _rows(table: Any, last: date) -> Any:
    if "date" not in table or table["date"].dtype.kind != "M":
        return table  # not what a provider may give, which ingestion says in its own words
    return table[table["date"].to_numpy().astype("datetime64[D]") <= np.datetime64(last, "D")]
