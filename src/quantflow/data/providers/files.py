"""Prices from the user's own files: CSV or Parquet, long or wide, one file or thousands, here or at any fsspec URL."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.data import FilesOptions
from quantflow.data.horizon import refuse_later
from quantflow.data.providers.base import FACT_COLUMNS, INSTRUMENT_COLUMNS, LAST_MOVE, pick
from quantflow.data.providers.layouts import Columns, Layout, columns
from quantflow.data.providers.listing import read_listing
from quantflow.data.providers.locations import list_files, shown, stem
from quantflow.data.providers.tables import header, read
from quantflow.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from quantflow.config.sections import UniverseConfig


class FilesProvider:
    """Files as a provider.

    All files of one ``data.path`` have the layout of the first (see ``layouts.columns``). An adjusted close is
    preferred to the close, which becomes ``raw_close``; open, high and low are then scaled by the ratio of the two,
    volume is left as it is. A file with one close alone has no ``raw_close``: what it says was traded is that close
    times the volume, which is right where both are adjusted for splits, or neither needs to be. A row
    without a close is not a bar. The data contract judges zeros. Bars of a symbol may lie in several
    files. Of one file per symbol, a damaged one costs its symbol and no other.

    Args:
        config: Its options in the profile's data section.

    Raises:
        ConfigError: If *config* has no path.
    """

    name = "files"
    Config = FilesOptions

    def __init__(self, config: FilesOptions) -> None:
        if config.path is None:
            raise ConfigError(
                "The provider 'files' needs data.path.",
                hint='Say where the files are, e.g. data.path = "prices/*.parquet".',
            )
        self._path = config.path
        self._listing_path = config.instruments
        self._broken: dict[str, DataError] = {}

    def instruments(self, universe: UniverseConfig) -> pd.DataFrame:
        """Return the symbols that *universe* asks for; see ``Provider.instruments``.

        What the instruments file does not tell of a symbol is its name (the symbol), and empty for the rest.

        Raises:
            ConfigError: If there is no file, or *universe* names what is not there.
            DataError: If a file is malformed.
        """
        import pandas as pd

        symbols = list(self._symbols)
        listed = self._listing.reindex(symbols)[list(INSTRUMENT_COLUMNS)].fillna("").astype("str")
        listed["name"] = listed["name"].where(listed["name"] != "", pd.Series(symbols, listed.index, dtype="str"))
        moves = self._listing[LAST_MOVE].reindex(symbols)
        return pick(listed.assign(**{LAST_MOVE: moves}) if moves.notna().any() else listed, universe)

    @property
    def unreadable(self) -> dict[str, str]:
        """What is wrong with the file of a symbol, by symbol; known once the bars were read."""
        return {symbol: error.message for symbol, error in self._broken.items()}

    def bars(self, symbols: Sequence[str], start: date | None, end: date) -> pd.DataFrame | Iterable[pd.DataFrame]:
        """Return the bars table by table, as the files are read; see ``Provider.bars``.

        Raises:
            DataError: If no file holds a symbol; while reading, if a file of several symbols is malformed, or all
                files of single ones are.
        """
        refuse_later(end)
        self._check_known(symbols)
        return self._tables(frozenset(symbols), start, end)

    def facts(self, symbols: Sequence[str]) -> pd.DataFrame:
        """Return what the instruments file tells: empty currency and NaN where it does not; see ``Provider.facts``.

        Raises:
            DataError: If no file holds a symbol, or the instruments file is malformed.
        """
        self._check_known(symbols)
        listed = self._listing.reindex(list(symbols))[list(FACT_COLUMNS)]
        listed["currency"] = listed["currency"].fillna("").astype("str")
        return listed

    def last_date(self) -> date | None:
        """Return the last date of any file; None when the files have no row."""
        latest = [days.max() for path in self._files for days in self._kept(path, _dates(path)) if len(days)]
        if self._broken and not latest:
            raise next(iter(self._broken.values()))
        last: date | None = max(latest).item() if latest else None
        return last

    @cached_property
    def _files(self) -> list[str]:
        files = list_files(self._path)
        return [path for path in files if path != self._listing_path] or files

    @cached_property
    def _layout(self) -> Layout:
        """The layout of the first file that can be read."""
        first: DataError | None = None
        for path in self._files:
            try:
                return columns(path, header(path)).layout
            except DataError as error:
                first = first or error
        raise first or DataError(f"{shown(self._path)} holds no file.", hint="Look at data.path.")

    @cached_property
    def _symbols(self) -> tuple[str, ...]:
        if self._layout == "single":
            return tuple(sorted({stem(path) for path in self._files}))
        found: set[str] = set()
        for path in self._files:
            found.update(_long_symbols(path) if self._layout == "long" else columns(path, header(path)).wide)
        return tuple(sorted(found))

    @cached_property
    def _listing(self) -> pd.DataFrame:
        return read_listing(self._listing_path)

    def _check_known(self, symbols: Sequence[str]) -> None:
        if missing := sorted(set(symbols) - set(self._symbols)):
            close = difflib.get_close_matches(missing[0], self._symbols, n=1, cutoff=0.5)
            guess = f"Did you mean {close[0]!r}?" if close else f"There are {len(self._symbols)} symbols."
            raise DataError(f"No file of {shown(self._path)} holds {missing[0]!r}.", hint=guess)

    def _kept(self, path: str, batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Return the batches of a file; where it is damaged, and the file of one symbol, no more of them."""
        try:
            yield from batches
        except DataError as error:
            if self._layout != "single":
                raise
            self._broken[stem(path)] = error

    def _tables(self, wanted: frozenset[str], start: date | None, end: date) -> Iterator[pd.DataFrame]:
        first, last = np.datetime64(start or date.min, "D"), np.datetime64(end, "D")
        for path in self._files:
            if self._layout == "single" and stem(path) not in wanted:
                continue
            for table in self._kept(path, _bars(path, self._layout, wanted)):
                days = table["date"].to_numpy()
                kept = (days >= first) & (days <= last) & table["close"].notna().to_numpy()
                if kept.any():
                    yield table if kept.all() else table[kept]
        if wanted and wanted <= self._broken.keys():
            raise next(iter(self._broken.values()))


def _chosen(path: str, names: Sequence[str], layout: Layout, wanted: frozenset[str]) -> Columns:
    """Return the columns of a file; of a wide one those of the symbols *wanted*."""
    found = columns(path, names)
    if found.layout != layout:
        raise DataError(
            f"{shown(path)} is {found.layout}, the files before it are {layout}.",
            hint="Keep files of different layouts apart.",
        )
    wide = {symbol: name for symbol, name in found.wide.items() if symbol in wanted}
    return Columns(found.layout, found.date, found.symbol, found.fields, found.scaled, wide)


def _bars(path: str, layout: Layout, wanted: frozenset[str]) -> Iterator[pd.DataFrame]:
    """Return the bars of one file as tables with ``symbol``, ``date``, ``close`` and the like."""
    import pandas as pd

    held: list[Columns] = []

    def choose(names: Sequence[str]) -> Any:
        held.append(_chosen(path, names, layout, wanted))
        return held[0].choice()

    for batch in read(path, choose):
        found = held[0]
        days = batch[found.date].astype("datetime64[s]")
        if layout == "wide":
            yield from _melted(days, {symbol: batch[name] for symbol, name in found.wide.items()})
            continue
        names = pd.Categorical.from_codes(np.zeros(len(days), np.int8), [stem(path)])
        symbols = batch[found.symbol] if found.symbol else names
        table = pd.DataFrame({"symbol": symbols, "date": days, **_adjusted(found, batch)})
        yield table[table["symbol"].isin(list(wanted))] if found.symbol else table


def _adjusted(found: Columns, batch: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a batch; open, high and low moved to the scale of the adjusted close."""
    values = {field: batch[name] for field, name in found.fields.items()}
    if found.scaled:
        raw = values["raw_close"]
        ratio = np.divide(values["close"], raw, out=np.full(len(raw), np.nan), where=raw > 0)
        for field in values.keys() & {"open", "high", "low"}:
            values[field] = values[field] * ratio
    return values


def _melted(days: Any, closes: dict[str, Any]) -> Iterator[pd.DataFrame]:
    """Return one long table of a batch of a wide file."""
    import pandas as pd

    if closes:
        codes = np.repeat(np.arange(len(closes), dtype=np.int32), len(days))
        names = pd.Categorical.from_codes(codes, list(closes))
        yield pd.DataFrame(
            {"symbol": names, "date": np.tile(days, len(closes)), "close": np.concatenate(list(closes.values()))}
        )


def _dates(path: str) -> Iterator[pd.DataFrame]:
    """Return the dates of a file, batch by batch."""
    for batch in read(path, lambda names: {columns(path, names).date: "date"}):
        yield from batch.values()


def _long_symbols(path: str) -> set[str]:
    """Return the symbols that a long file names."""

    def choose(names: Sequence[str]) -> Any:
        return {_chosen(path, names, "long", frozenset()).symbol: "symbol"}

    return {str(name) for batch in read(path, choose) for column in batch.values() for name in column.unique()}
