"""Detect the layout of a price file (date, symbol and price columns), or refuse to guess."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from quantflow.config.data import FilesOptions
from quantflow.data.providers.files.labels import EXACT, SYNONYMS, Label, is_field, labels, paired, plain
from quantflow.data.providers.files.locations import shown
from quantflow.data.providers.files.tables import Choice
from quantflow.errors import DataError, shortened

Layout = Literal["long", "wide", "single"]
"""``long``: date, symbol, close, ...; ``wide``: date and columns per symbol; ``single``: date, close, ..."""

SYMBOL_NAMES = EXACT["symbol"]
"""Names of the symbol column of files about symbols."""

UNNAMED: tuple[str, ...] = ("", "indexlevel0", "unnamed0", "index")
"""Names under which an unnamed index is saved; used as the date if there is no other date column."""


@dataclass(frozen=True)
class Fields:
    """Price columns, of one symbol or shared by all symbols.

    Attributes:
        columns: Columns of ``BAR_FIELDS`` by field; ``close`` is the adjusted close if there is one, and ``raw_close``
            the other.
        scaled: Whether open, high and low belong to the raw close, and must be moved to the adjusted one.
    """

    columns: Mapping[str, str]
    scaled: bool = False


@dataclass(frozen=True)
class Columns:
    """The columns of a file by meaning, spelled as in the file.

    Attributes:
        layout: How the file is laid out.
        date: The date column.
        symbol: The symbol column of a long file; else None.
        fields: Its columns of prices; none for a wide file.
        wide: Such columns by symbol, of a wide file.
        spare: Columns that are not read, and could hold the symbol.
        sure: Whether the symbol column is named exactly, or by the user.
    """

    layout: Layout
    date: str
    symbol: str | None
    fields: Fields
    wide: Mapping[str, Fields]
    spare: tuple[str, ...] = ()
    sure: bool = True

    def choice(self) -> Choice:
        """Return the columns to be read, and what each holds."""
        fields = [item for each in (self.fields, *self.wide.values()) for item in each.columns.items()]
        texts = [self.symbol] if self.symbol is not None else []
        numbers = {name: "amount" if field == "volume" else "number" for field, name in fields}
        return {self.date: "date"} | dict.fromkeys(texts, "symbol") | numbers  # type: ignore[return-value]

    def only(self, symbols: frozenset[str]) -> Columns:
        """Return a copy restricted to *symbols*, for wide files."""
        return replace(self, wide={name: found for name, found in self.wide.items() if name in symbols})


def columns(path: str, names: Sequence[str], options: FilesOptions | None = None) -> Columns:
    """Return the meaning of a file's columns: from the options, else from their names.

    Case, spaces and punctuation of the known names do not count; an exact name counts before a synonym. A file with a
    close is long when it has a symbol column too, else it holds one symbol, which it is named after. A file whose
    labels name a field and a symbol each is wide, and so is one without a close, whose columns but the date are all
    symbols. An adjusted close is preferred to the close.

    Args:
        path: The file, for errors.
        names: The names of its columns.
        options: The user's options for them.

    Raises:
        DataError: If there is no date or no price, two columns have the same meaning, or columns look like fields of
            one symbol and none of them is known as the close.
    """
    chosen = options or FilesOptions()
    found = labels(names)
    meant = _meant(path, found, chosen)
    date = meant.pop("date", None) or _unnamed(found)
    if date is None:
        listed = shortened(", ".join(names), 200)
        raise _wrong(path, f"no column is called 'date' ({listed})", 'Or name them: data.columns = { date = "…" }.')
    rest = [label for label in found if label.column != date and label.plain not in UNNAMED]
    grid = paired(rest)
    if grid and chosen.layout in (None, "wide"):
        return Columns("wide", date, None, Fields({}), {symbol: _preferred(each) for symbol, each in grid.items()})
    if chosen.layout == "wide" or not meant.keys() & {"close", "adjusted"} or _named_like_fields(rest, meant, chosen):
        return _wide(path, date, rest, meant, chosen)
    symbol = meant.pop("symbol", None)
    used = {date, symbol, *meant.values()}
    spare = tuple(label.column for label in rest if label.column not in used and not is_field(label))
    if not symbol or chosen.layout == "single":
        return Columns("single", date, None, _preferred(meant), {}, spare)
    sure = "symbol" in chosen.columns or plain(symbol) in SYMBOL_NAMES
    return Columns("long", date, symbol, _preferred(meant), {}, spare, sure)


def _meant(path: str, found: Sequence[Label], chosen: FilesOptions) -> dict[str, str]:
    """Return the columns found, by meaning."""
    out = {}
    of_user = {("adjusted" if meaning == "adj_close" else meaning): name for meaning, name in chosen.columns.items()}
    for meaning in EXACT:
        name = of_user.get(meaning)
        column = _configured(path, meaning, name, found) if name is not None else _known(path, meaning, found)
        if column:
            out[meaning] = column
    if len(out) > len(set(out.values())):
        twice = next(name for name in out.values() if list(out.values()).count(name) > 1)
        raise _wrong(path, f"the column {twice!r} would have two meanings", "Look at data.columns.")
    return out


def _configured(path: str, meaning: str, name: str, found: Sequence[Label]) -> str:
    """Return the configured column; empty if the setting is empty or refers to a partition folder."""
    exact = [label.column for label in found if name in (label.column, label.column.strip())]
    if exact or not name or (meaning == "symbol" and f"/{name}=" in path.replace("\\", "/")):
        return exact[0] if exact else ""
    near = difflib.get_close_matches(name, [label.column for label in found], n=1, cutoff=0.5)
    raise DataError(
        f"{shown(path)}, row 1: data.columns.{meaning} is {name!r}, and there is no such column.",
        hint=f"Did you mean {near[0]!r}?" if near else f"It has {shortened(', '.join(x.column for x in found), 200)}.",
    )


def _known(path: str, meaning: str, found: Sequence[Label]) -> str | None:
    for known in (EXACT[meaning], SYNONYMS.get(meaning, ())):
        for key in known:
            if columns := [label.column for label in found if label.plain == key]:
                if len(columns) > 1:
                    raise _wrong(path, f"the columns {columns[0]!r} and {columns[1]!r} mean the same", _NAME_THEM)
                return columns[0]
    return None


def _unnamed(found: Sequence[Label]) -> str | None:
    return next((label.column for label in found if label.plain in UNNAMED), None)


def _preferred(fields: Mapping[str, str]) -> Fields:
    """Return the columns of bars: an adjusted close becomes the close, and the other the raw close."""
    kept = {field: name for field, name in fields.items() if field not in ("adjusted", "symbol")}
    adjusted, close = fields.get("adjusted"), fields.get("close")
    if adjusted and close:
        kept["raw_close"] = close
    return Fields(kept | {"close": adjusted or close or ""}, bool(adjusted and close))


def _named_like_fields(rest: Sequence[Label], meant: Mapping[str, str], chosen: FilesOptions) -> bool:
    """Whether the only close is a synonym, and no other column shows that these are fields."""
    close = meant.get("close") or meant.get("adjusted")
    label = next(label for label in rest if label.column == close)
    if chosen.columns or label.plain in (*EXACT["close"], *EXACT["adjusted"]):
        return False
    beside = meant.keys() & {"symbol", "open", "high", "low", "volume"}
    return not beside and len(rest) > 1


def _wide(path: str, date: str, rest: Sequence[Label], meant: Mapping[str, str], chosen: FilesOptions) -> Columns:
    named = {label.column.strip(): label.column for label in rest}
    if not named or "" in named:
        raise _wrong(path, "a column has no name" if named else "there is no column beside the date", _NAME_THEM)
    if chosen.layout != "wide":
        _counter_proof(path, rest, meant)
    found = {symbol: Fields({"close": column}) for symbol, column in named.items()}
    return Columns("wide", date, None, Fields({}), found)


def _counter_proof(path: str, rest: Sequence[Label], meant: Mapping[str, str]) -> None:
    """Refuse columns that would become symbols and look like something else."""
    if "symbol" in meant and plain(meant["symbol"]) in SYMBOL_NAMES:
        raise _wrong(path, f"there is a column {meant['symbol']!r} but none called 'close'", _NAME_THEM)
    fields = [label.column for label in rest if is_field(label)]
    bars = {"open", "high", "low"} <= meant.keys()
    mixed = any(not name.isupper() for name in fields)
    if bars or mixed or (len(fields) == len(rest) > 1) or {"o", "h", "l", "c"} <= {x.plain for x in rest}:
        listed = shortened(", ".join(repr(label.column) for label in rest), 200)
        raise DataError(
            f"{shown(path)}, row 1: the columns {listed} look like fields, not symbols, and none is a close.",
            hint='Choose: data.columns = { close = "…" }; or, if they are symbols: data.layout = "wide".',
        )
    if len({label.parts for label in rest if len(label.parts) > 1}):
        raise _wrong(
            path, "its columns have levels of names, and it is not clear which level is the symbol", _NAME_THEM
        )


_NAME_THEM = 'Name the columns: data.columns = { close = "…", symbol = "…" }.'


def _wrong(path: str, what: str, hint: str) -> DataError:
    shapes = "A file has the columns date, symbol, close; or date, close; or date and a column per symbol."
    return DataError(f"{shown(path)}, row 1: {what}.", hint=f"{shapes} {hint}")
