"""What a column's label says: which field of a bar it is, of which symbol, in whichever way the two were joined."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EXACT: Mapping[str, tuple[str, ...]] = {
    "date": ("date",),
    "symbol": ("symbol", "ticker"),
    "close": ("close",),
    "adjusted": ("adjclose", "adjustedclose", "closeadj", "closeadjusted"),
    "raw_close": ("rawclose", "closeraw", "closeunadj", "unadjustedclose"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "volume": ("volume",),
}
"""The names that mean one thing wherever they stand, best first."""

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "date": ("dates", "datetime", "timestamp", "day", "session", "time", "tradedate", "tradingdate", "datadate", "dt"),
    "symbol": (
        "tic",
        "ric",
        "instrument",
        "secid",
        "isin",
        "permno",
        "cusip",
        "figi",
        "sedol",
        "asset",
        "code",
        "name",
    ),
    "close": (
        "closelast",
        "price",
        "last",
        "settle",
        "settlement",
        "settlementprice",
        "closeprice",
        "closingprice",
        "lastprice",
        "pxlast",
        "prc",
    ),
    "open": ("openprice", "pxopen"),
    "high": ("highprice", "pxhigh"),
    "low": ("lowprice", "pxlow"),
    "volume": ("vol", "pxvolume", "totalvolume"),
}
"""The names that mean it where no exact name does, best first."""

UNREAD = frozenset(
    {"change", "change%", "%change", "chg%", "openint", "openinterest", "dividends", "stocksplits", "capitalgains"}
)
"""Names, which no symbol has, of what files of prices have besides; none is read."""

PRICES = ("open", "high", "low", "close", "adjusted", "raw_close", "volume")


@dataclass(frozen=True)
class Label:
    """One column of a file.

    Attributes:
        column: Its name in the file; the text of a tuple where the file has rows, or levels, of names.
        parts: The names of its levels, from the outermost on.
    """

    column: str
    parts: tuple[str, ...]

    @property
    def plain(self) -> str:
        """Its name without case, spaces and punctuation; that of its levels one after the other."""
        return plain("".join(self.parts))


def labels(columns: Sequence[str]) -> list[Label]:
    """Return the labels of a file's columns, in its order."""
    return [Label(column, _levels(column)) for column in columns]


def plain(name: str) -> str:
    """Return a name without case, spaces and the punctuation that does not tell names apart."""
    return re.sub(r"[\s_.:/*<>-]", "", name).lower()


def field_of(name: str) -> str | None:
    """Return the field of a bar that a name means; None for any other name."""
    found = plain(name)
    return next((field for field in PRICES if found in (*EXACT[field], *SYNONYMS.get(field, ()))), None)


def is_field(label: Label) -> bool:
    """Whether a label is that of a field, or of what stands beside fields, and so of no symbol."""
    return field_of("".join(label.parts)) is not None or label.plain in UNREAD


def paired(found: Sequence[Label]) -> dict[str, dict[str, str]] | None:
    """Return the columns by symbol and field where each label names one of each; None where that is not so, or unclear.

    The two are levels (``("Close", "AAPL")``), or one text with a sign between them (``AAPL_Close``), in one order
    throughout. A field that is not read (``Dividends``) may be among them.
    """
    readings = []
    for cut in (_first_level, _second_level, _before, _after):
        pairs = [cut(label) for label in found]
        out: dict[str, dict[str, str]] = {}
        for label, pair in zip(found, pairs, strict=True):
            if pair is not None and pair[0]:
                out.setdefault(pair[1], {}).setdefault(pair[0], label.column)
        if out and all(pairs) and all(each.keys() & {"close", "adjusted"} for each in out.values()):
            readings.append(out)
    return readings[0] if len(readings) == 1 else None


def _levels(column: str) -> tuple[str, ...]:
    if column.startswith("(") and column.endswith(")"):
        try:
            found = ast.literal_eval(column)
        except (ValueError, SyntaxError):
            return (column.strip(),)
        if isinstance(found, tuple) and all(isinstance(part, str) for part in found):
            return tuple(part.strip() for part in found if part.strip())
    return (column.strip(),)


def _first_level(label: Label) -> tuple[str, str] | None:
    return _pair(*label.parts) if len(label.parts) == 2 else None


def _second_level(label: Label) -> tuple[str, str] | None:
    return _pair(*label.parts[::-1]) if len(label.parts) == 2 else None


_NAMES = r"adj(?:usted)?[\s_.]*close|close|open|high|low|volume|dividends|stock[\s_.]*splits"
_BEFORE = re.compile(rf"({_NAMES})[\s_.|:/-]+(\S.*)", re.IGNORECASE)
_AFTER = re.compile(rf"(.*\S)[\s_.|:/-]+({_NAMES})", re.IGNORECASE)


def _before(label: Label) -> tuple[str, str] | None:
    found = _BEFORE.fullmatch(label.parts[0]) if len(label.parts) == 1 else None
    return _pair(found[1], found[2]) if found else None


def _after(label: Label) -> tuple[str, str] | None:
    found = _AFTER.fullmatch(label.parts[0]) if len(label.parts) == 1 else None
    return _pair(found[2], re.sub(r"[\s_.|:/-]+$", "", found[1])) if found else None


def _pair(field: str, symbol: str) -> tuple[str, str] | None:
    """Return field and symbol; the field is empty where it is known and not read. None where it is none."""
    if (found := field_of(field)) is not None:
        return found, symbol
    return ("", symbol) if plain(field) in UNREAD else None
