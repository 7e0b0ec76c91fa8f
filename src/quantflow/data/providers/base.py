"""What a provider of market data is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from quantflow.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from quantflow.config.sections import UniverseConfig

BAR_FIELDS: tuple[str, ...] = ("open", "high", "low", "close", "volume", "raw_close")
"""The columns that ``bars`` may have beside ``symbol`` and ``date``; only ``close`` is required."""

INSTRUMENT_COLUMNS: tuple[str, ...] = ("name", "sector", "currency", "exchange")
"""The columns of ``instruments``, all text."""

LAST_MOVE = "delisting_return"
"""An optional column of ``instruments``: what a holder earned on the session after the last bar, a fraction."""

FACT_COLUMNS: tuple[str, ...] = ("currency", "tick", "lot", "min_notional")
"""The columns of ``facts``: text, then floats in price, units and money."""


@runtime_checkable
class Provider(Protocol):
    """A source of instruments and daily bars.

    Every method may raise ``DataUnavailableError`` (no answer now; a later try may help, so it is retried) or
    ``DataError`` (the answer is wrong or missing for good). A provider class is called with its own options: an
    instance of its ``Config``, a ``Section`` whose fields are keys of the profile's ``data``; of an empty section when
    it has none.

    It may have an attribute or method ``fingerprint``: a text that tells at little cost whether its data have changed,
    such as a version, a time of change or a count; None or empty when it cannot tell now. Without one, past sessions
    are taken to stay as they are, and a run of a session that is done is not made again.
    """

    name: str

    def instruments(self, universe: UniverseConfig) -> pd.DataFrame:
        """Return the instruments that *universe* asks for.

        Returns:
            DataFrame, index ``symbol`` (sorted, unique), columns ``INSTRUMENT_COLUMNS``; and
            ``delisting_return`` (``LAST_MOVE``) where any is known, NaN for the others.

        Raises:
            ConfigError: If *universe* names a symbol or sector that does not exist here.
        """
        ...

    def bars(self, symbols: Sequence[str], start: date | None, end: date) -> pd.DataFrame | Iterable[pd.DataFrame]:
        """Return daily bars from *start* (the earliest when None) to *end*, both included.

        Returns:
            DataFrame, one row per bar that exists: ``symbol`` (str), ``date`` (``datetime64``, the session, no time
            zone), ``close`` and any others of ``BAR_FIELDS`` (float64; prices adjusted for splits and dividends, in
            the instrument's currency; volume in units; ``raw_close`` is the close at which these units were traded,
            where it is not the adjusted one). A session without a trade has no row: never a zero, never a
            repeated price. Or an iterable of such DataFrames, e.g. one per symbol: each is used and dropped before
            the next is asked for, so that a large universe is never held twice.
        """
        ...

    def facts(self, symbols: Sequence[str]) -> pd.DataFrame:
        """Return what is needed to trade *symbols*.

        Returns:
            DataFrame, index ``symbol`` in the order asked, columns ``FACT_COLUMNS``: currency (str), tick (smallest
            price step), lot (smallest number of units) and min_notional (smallest order value), floats.
        """
        ...

    def last_date(self) -> date | None:
        """Return the last date that has bars, or None for a live source that has none until it is asked."""
        ...


def first_date(provider: Provider, symbols: Sequence[str], last: date) -> date | None:
    """Return the date of the first bar of any of *symbols* up to *last*; None when there is none."""
    found: Any = provider.bars(symbols, None, last)
    tables = [found] if type(found).__name__ == "DataFrame" else found
    days = [table["date"].min() for table in tables if len(table)]
    return min(days).date() if days else None


def pick(instruments: pd.DataFrame, universe: UniverseConfig) -> pd.DataFrame:
    """Return the rows of *instruments* that *universe* asks for, sorted by symbol.

    Args:
        instruments: DataFrame, index ``symbol``, with a column ``sector``: all that a provider has.
        universe: What is asked for.

    Raises:
        ConfigError: If it names a symbol or sector that is not there, or nothing is left.
    """
    have = sorted(str(symbol) for symbol in instruments.index)
    _check_known("symbol", universe.symbols or (), have)
    _check_known("sector", universe.sectors or (), sorted(set(instruments["sector"])))
    wanted = set(have if universe.symbols is None else universe.symbols) - set(universe.exclude)
    rows = instruments.loc[[symbol for symbol in have if symbol in wanted]]
    if universe.sectors is not None:
        rows = rows[rows["sector"].isin(universe.sectors)]
    if rows.empty:
        raise ConfigError(
            f"The universe is empty: none of the provider's {len(have)} symbols is asked for.",
            hint="Look at universe.symbols, universe.exclude and universe.sectors.",
        )
    return rows


def _check_known(kind: str, asked: Sequence[str], have: Sequence[str]) -> None:
    for name in asked:
        if name not in have:
            close = difflib.get_close_matches(name, have, n=1, cutoff=0.5)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are {len(have)}, e.g. {', '.join(have[:5])}."
            raise ConfigError(f"The universe names the {kind} {name!r}, which the provider does not have.", hint=hint)
