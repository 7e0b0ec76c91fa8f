"""The end of all history: what a provider may tell while the past is played again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from quantflow.config.sections import UniverseConfig
    from quantflow.data.providers.base import Provider

_end: ContextVar[date | None] = ContextVar("history_end", default=None)


@contextmanager
def history_ends(last: date) -> Iterator[None]:
    """Let every provider that is opened inside end at *last*, as if no later bar had ever been."""
    token = _end.set(last)
    try:
        yield
    finally:
        _end.reset(token)


def bounded(provider: Provider) -> Provider:
    """Return *provider*, cut where history ends now; itself when it does not end."""
    last = _end.get()
    return provider if last is None else _Cut(provider, last)


class _Cut:
    """A provider without the bars after a date.

    Instruments and facts are as they are today: providers keep no history of them.
    """

    def __init__(self, provider: Provider, last: date) -> None:
        self.name, self._provider, self._last = provider.name, provider, last

    def instruments(self, universe: UniverseConfig) -> pd.DataFrame:
        """Return what the provider has; see ``Provider.instruments``."""
        return self._provider.instruments(universe)

    def bars(self, symbols: Sequence[str], start: date | None, end: date) -> Any:
        """Return the bars up to the cut, table by table; see ``Provider.bars``."""
        found: Any = self._provider.bars(symbols, start, min(end, self._last))
        last = np.datetime64(self._last, "D")
        for table in [found] if type(found).__name__ == "DataFrame" else found:
            yield table[table["date"].to_numpy().astype("datetime64[D]") <= last]

    def facts(self, symbols: Sequence[str]) -> pd.DataFrame:
        """Return what the provider has; see ``Provider.facts``."""
        return self._provider.facts(symbols)

    def last_date(self) -> date | None:
        """Return the cut, or the provider's last date when that is earlier."""
        last = self._provider.last_date()
        return self._last if last is None else min(last, self._last)
