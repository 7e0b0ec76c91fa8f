"""Prices from the user's own files: CSV or Parquet, long or wide, one file or thousands, here or at any fsspec URL."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.data import FilesOptions
from quantflow.data.horizon import refuse_later
from quantflow.data.providers.base import BAR_FIELDS, FACT_COLUMNS, INSTRUMENT_COLUMNS, LAST_MOVE, pick
from quantflow.data.providers.files.labels import EXACT, SYNONYMS, plain
from quantflow.data.providers.files.layouts import Columns, Fields, Layout, columns
from quantflow.data.providers.files.listing import read_listing
from quantflow.data.providers.files.locations import folder_keys, list_files, shown, stem
from quantflow.data.providers.files.tables import Span, header, read
from quantflow.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from quantflow.config.sections import UniverseConfig

_TICKER = re.compile(r"[A-Z0-9][A-Z0-9.^=/_-]{0,14}")
"""What looks like a symbol, and not like the name of a company."""


class FilesProvider:
    """Files as a provider.

    All files of one ``data.path`` have the layout of the first (see ``layouts.columns``). A file of one symbol is named
    after it, or lies in a folder ``symbol=AAPL``. An adjusted close is preferred to the close, which becomes
    ``raw_close``; open, high and low are then scaled by the ratio of the two, volume is left as it is. A file with one
    close alone has no ``raw_close``: what it says was traded is that close times the volume, which is right where both
    are adjusted for splits, or neither needs to be. A row without a close is not a bar. The data contract judges zeros.
    Bars of a symbol may lie in several files. Of one file per symbol, a damaged one costs its symbol and no other.
    What is wrong in rows that are not asked for, before ``data.start`` or after the as-of, does not matter.

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
        self._said = config
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
    def listed(self) -> tuple[str, ...]:
        """The symbols of the instruments file, in its order; empty without one."""
        return tuple(self._listing.index)

    @property
    def unreadable(self) -> dict[str, str]:
        """What is wrong with the file of a symbol, by symbol; known once the bars were read."""
        return {symbol: error.message for symbol, error in self._broken.items()}

    def bars(self, symbols: Sequence[str], start: date | None, end: date) -> Iterable[pd.DataFrame]:
        """Return the bars table by table, as the files are read; see ``Provider.bars``.

        Raises:
            DataError: If no file holds a symbol; while reading, if a file of several symbols is malformed, or all
                files of single ones are.
        """
        return self.tables(symbols, start, end)

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
        latest = [days.max() for path in self._files for days in self._kept(path, self._dates(path)) if len(days)]
        if self._broken and not latest:
            raise next(iter(self._broken.values()))
        last: date | None = max(latest).item() if latest else None
        return last

    @cached_property
    def _files(self) -> list[str]:
        files = list_files(self._path)
        return [path for path in files if path != self._listing_path] or files

    @cached_property
    def _options(self) -> FilesOptions:
        """What the user said of the files, and the layout of the first one that can be read."""
        first: DataError | None = None
        for path in self._files:
            try:
                return self._said.model_copy(update={"layout": self._layout_of(path)})
            except DataError as error:
                first = first or error
        raise first or DataError(f"{shown(self._path)} holds no file.", hint="Look at data.path.")

    def _layout_of(self, path: str) -> Layout:
        """Return the layout of a file; a column ``name`` with the name of one company in it does not make it long."""
        found = columns(path, header(path, self._said), self._said)
        if found.layout != "long" or found.sure:
            return found.layout
        names = _long_symbols(path, self._said.model_copy(update={"layout": "long"}))
        single = len(names) == 1 and not _TICKER.fullmatch(next(iter(names)))
        return "single" if single else "long"

    @property
    def _layout(self) -> Layout:
        layout: Layout = self._options.layout or "single"
        return layout

    @cached_property
    def _symbols(self) -> tuple[str, ...]:
        if self._layout == "single":
            return tuple(sorted({self._symbol(path) for path in self._files}))
        found: set[str] = set()
        for path in self._files:
            if self._layout == "long":
                found.update(_long_symbols(path, self._options))
            else:
                found.update(columns(path, header(path, self._options), self._options).wide)
        return tuple(sorted(found))

    def _symbol(self, path: str) -> str:
        """Return the symbol of a file of one: what its folder says, else the file's name."""
        keys = folder_keys(path)
        if said := self._said.columns.get("symbol"):
            return keys.get(said, stem(path))
        known = (*EXACT["symbol"], *SYNONYMS["symbol"])
        found = sorted((key for key in keys if plain(key) in known), key=lambda key: known.index(plain(key)))
        if found and keys[found[0]] == "__HIVE_DEFAULT_PARTITION__":
            raise DataError(f"{shown(path)}: its folder names no symbol.", hint="Take it out of data.path.")
        return keys[found[0]] if found else stem(path)

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
            self._broken[self._symbol(path)] = error

    def tables(self, symbols: Sequence[str], start: date | None, end: date) -> Iterator[pd.DataFrame]:
        """Return the bars as the files are read; see ``bars``."""
        refuse_later(end)
        self._check_known(symbols)
        return self._tables(frozenset(symbols), start, end)

    def _tables(self, wanted: frozenset[str], start: date | None, end: date) -> Iterator[pd.DataFrame]:
        for path in self._files:
            if self._layout == "single" and self._symbol(path) not in wanted:
                continue
            for table in self._kept(path, self._bars(path, wanted, (start or date.min, end))):
                kept = table["close"].notna().to_numpy()
                if kept.any():
                    yield table if kept.all() else table[kept]
        if wanted and wanted <= self._broken.keys():
            raise next(iter(self._broken.values()))

    def _bars(self, path: str, wanted: frozenset[str], span: Span) -> Iterator[pd.DataFrame]:
        """Return the bars of one file as tables with ``symbol``, ``date``, ``close`` and the like."""
        import pandas as pd

        held: list[Columns] = []

        def choose(names: Sequence[str]) -> Any:
            held.append(_chosen(path, names, self._options).only(wanted))
            return held[0].choice()

        seen: set[Any] = set()
        for batch in read(path, choose, self._options, span):
            found = held[0]
            days = batch[found.date].astype("datetime64[s]")
            if found.layout == "wide":
                yield from _melted(days, found, batch)
                continue
            if found.layout == "single":
                _check_repeats(path, days, seen, found)
            names = pd.Categorical.from_codes(np.zeros(len(days), np.int8), [self._symbol(path)])
            symbols = batch[found.symbol] if found.symbol else names
            table = pd.DataFrame({"symbol": symbols, "date": days, **_values(found.fields, batch)})
            yield table[table["symbol"].isin(list(wanted))] if found.symbol else table

    def _dates(self, path: str) -> Iterator[pd.DataFrame]:
        """Return the dates of a file, batch by batch."""

        def choose(names: Sequence[str]) -> Any:
            return {columns(path, names, self._said).date: "date"}

        for batch in read(path, choose, self._said):  # no look at the layout, which would be another request
            yield from batch.values()


def _chosen(path: str, names: Sequence[str], options: FilesOptions) -> Columns:
    """Return the columns of a file, which has the layout of those before it."""
    found = columns(path, names, options)
    if found.layout != options.layout:
        raise DataError(
            f"{shown(path)} is {found.layout}, the files before it are {options.layout}.",
            hint="Keep files of different layouts apart.",
        )
    return found


def _check_repeats(path: str, days: Any, seen: set[Any], found: Columns) -> None:
    """Refuse a file of one symbol that has a date twice where a column of it may be that of the symbols."""
    if not found.spare:
        return
    for day in days.tolist():
        if day in seen:
            could = " or ".join(map(repr, found.spare[:5]))
            raise DataError(
                f"{shown(path)}: {day:%Y-%m-%d} is there more than once, so it has more than one symbol, and no column "
                "is known to name it.",
                hint=f'The column {could} could: data.columns = {{ symbol = "{found.spare[0]}" }}.',
            )
        seen.add(day)


def _values(fields: Fields, batch: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a batch; open, high and low moved to the scale of the adjusted close."""
    values = {field: batch[name] for field, name in fields.columns.items()}
    if fields.scaled:
        raw = values["raw_close"]
        ratio = np.divide(values["close"], raw, out=np.full(len(raw), np.nan), where=raw > 0)
        for field in values.keys() & {"open", "high", "low"}:
            values[field] = values[field] * ratio
    return values


def _melted(days: Any, found: Columns, batch: dict[str, Any]) -> Iterator[pd.DataFrame]:
    """Return one long table of a batch of a wide file."""
    import pandas as pd

    if not found.wide:
        return
    each = {symbol: _values(fields, batch) for symbol, fields in found.wide.items()}
    names = [field for field in BAR_FIELDS if any(field in values for values in each.values())]
    codes = np.repeat(np.arange(len(each), dtype=np.int32), len(days))
    missing = np.full(len(days), np.nan)
    table = {name: np.concatenate([values.get(name, missing) for values in each.values()]) for name in names}
    symbols = pd.Categorical.from_codes(codes, list(each))
    yield pd.DataFrame({"symbol": symbols, "date": np.tile(days, len(each)), **table})


def _long_symbols(path: str, options: FilesOptions) -> set[str]:
    """Return the symbols that a long file names."""

    def choose(names: Sequence[str]) -> Any:
        return {_chosen(path, names, options).symbol: "symbol"}

    return {str(name) for batch in read(path, choose, options) for column in batch.values() for name in column.unique()}
