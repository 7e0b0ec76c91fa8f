"""What a file of prices looks like: which of its columns is the date, the symbol, the close, by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from quantflow.data.providers.base import BAR_FIELDS
from quantflow.data.providers.locations import shown
from quantflow.data.providers.tables import Choice
from quantflow.errors import DataError, shortened

Layout = Literal["long", "wide", "single"]
"""``long``: date, symbol, close, ...; ``wide``: date and a column of closes per symbol; ``single``: date, close, ..."""

DATE_NAMES: tuple[str, ...] = ("date", "datetime", "timestamp", "day", "session")
"""Names of the date column."""

UNNAMED: tuple[str, ...] = ("", "indexlevel0", "unnamed0")
"""What an index without a name is saved as: the date when no other column is, else nothing."""

SYMBOL_NAMES: tuple[str, ...] = ("symbol", "ticker")
"""Names of the symbol column."""

ADJUSTED_NAMES: tuple[str, ...] = ("adjclose", "adjustedclose", "closeadj", "closeadjusted")
"""Names of the adjusted close, which is preferred to the close."""

RAW_NAMES: tuple[str, ...] = ("rawclose", "closeraw", "closeunadj", "unadjustedclose")
"""Names of the raw close, beside a close that is adjusted."""


@dataclass(frozen=True)
class Columns:
    """A file's columns by what they hold, as the file spells them.

    Attributes:
        layout: How the file is laid out.
        date: The date column.
        symbol: The symbol column of a long file; else None.
        fields: Columns of ``BAR_FIELDS`` by field, empty for a wide file; ``close`` is the adjusted close if there is
            one, and ``raw_close`` the other.
        scaled: Whether open, high and low belong to the raw close, and must be moved to the adjusted one.
        wide: Columns by symbol of a wide file.
    """

    layout: Layout
    date: str
    symbol: str | None
    fields: dict[str, str]
    scaled: bool
    wide: dict[str, str]

    def choice(self) -> Choice:
        """Return the columns to be read, and what each holds."""
        numbers = [*self.fields.values(), *self.wide.values()]
        texts = [self.symbol] if self.symbol is not None else []
        return {self.date: "date"} | dict.fromkeys(texts, "symbol") | dict.fromkeys(numbers, "number")  # type: ignore[return-value]


def columns(path: str, names: Sequence[str]) -> Columns:
    """Return what the columns of a file hold. Case, spaces, ``_``, ``-`` and ``.`` in the known names do not count.

    A file with a close is long when it has a symbol column too, else it holds one symbol, which it is named after. A
    file without a close is wide: all columns but the date are symbols. An adjusted close is preferred to the close.

    Raises:
        DataError: If there is no date, no price, or two columns have the same meaning.
    """
    plain: dict[str, list[str]] = {}
    for name in names:
        plain.setdefault(re.sub(r"[\s_.:-]", "", name).lower(), []).append(name)
    date = _one(path, plain, DATE_NAMES)
    unnamed = [name for key in UNNAMED for name in plain.get(key, ())]
    if date is None:
        date = _one(path, plain, UNNAMED)
    if date is None:
        raise _wrong(path, f"no column is called 'date' ({shortened(', '.join(names), 200)})")
    adjusted, close = _one(path, plain, ADJUSTED_NAMES), _one(path, plain, ("close",))
    if adjusted is None and close is None:
        return _wide(path, date, [name for name in names if name != date and name not in unnamed])
    known = {name: RAW_NAMES if name == "raw_close" else (name,) for name in BAR_FIELDS if name != "close"}
    others = {name: found for name, names_of in known.items() if (found := _one(path, plain, names_of))}
    if adjusted and close:
        others["raw_close"] = close
    symbol = _one(path, plain, SYMBOL_NAMES)
    fields = {"close": adjusted or close or "", **others}
    return Columns("long" if symbol else "single", date, symbol, fields, bool(adjusted and close), {})


def _wide(path: str, date: str, names: Sequence[str]) -> Columns:
    symbols = {name.strip(): name for name in names}
    if not symbols or "" in symbols:
        raise _wrong(path, "a column has no name" if symbols else "there is no column beside the date")
    if found := [name for name in symbols if name.lower() in SYMBOL_NAMES]:
        raise _wrong(path, f"there is a column {found[0]!r} but none called 'close'")
    return Columns("wide", date, None, {}, False, symbols)


def _one(path: str, plain: dict[str, list[str]], known: Sequence[str]) -> str | None:
    found = [name for key in known for name in plain.get(key, ())]
    if len(found) > 1:
        raise _wrong(path, f"the columns {found[0]!r} and {found[1]!r} mean the same")
    return found[0] if found else None


def _wrong(path: str, what: str) -> DataError:
    return DataError(
        f"{shown(path)}, row 1: {what}.",
        hint="A file has the columns date, symbol, close; or date, close (named after its symbol); "
        "or date and a column per symbol.",
    )
