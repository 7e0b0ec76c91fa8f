"""Columns of files as dates, numbers, symbols and text; a cell that is none is named with its row."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions

from quantflow.config.data import FilesOptions
from quantflow.data.providers.files.locations import is_text, shown
from quantflow.errors import DataError, shortened

Kind = Literal["date", "number", "amount", "symbol", "text"]
"""What a column holds: a date (``datetime64[D]``), a number (float64, empty = NaN), an amount (a number that may be
written in thousands, millions or billions, as ``1.2M``), a symbol (pandas Categorical) or text (str, may be empty)."""

_MIDNIGHT = r"^\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_BASIC = r"^(19|20)\d{6}$"
_AMOUNT = re.compile(r"(.*\d)\s*([KMB])", re.IGNORECASE)
_MISSING = frozenset(ConvertOptions().null_values)
_UNITS = {"k": 1e3, "m": 1e6, "b": 1e9}
_HOW_DATES = (
    'Dates are ISO 8601 days, as in 2024-01-31; for any other format set data.date_format = "%d/%m/%Y"; for '
    'timestamps name the time zone of the day: data.timezone = "America/New_York".'
)


class Place:
    """Where a batch's column lies, for errors.

    Args:
        path: The file.
        column: The column.
        row: Number of the batch's first row, the header's being 1.
        rows: Which of the batch's rows are looked at; all when None.
    """

    def __init__(self, path: str, column: str, row: int, rows: npt.NDArray[np.int64] | None = None) -> None:
        self.path, self.column, self.row, self.rows = path, column, row, rows

    def error(self, what: str, hint: str, offset: int | None = None) -> DataError:
        """Return the error of a cell, *offset* rows after the first one; of the column when None."""
        at = offset if offset is None or self.rows is None else int(self.rows[offset])
        row = "" if at is None else f", row {self.row + at}"
        return DataError(f"{shown(self.path)}{row}, column {self.column!r}: {what}.", hint=hint)


def converted(place: Place, column: pa.Array, kind: Kind, options: FilesOptions) -> Any:
    """Return a column of prices or texts.

    Raises:
        DataError: If a cell is not of its kind.
    """
    if kind == "symbol":
        return _symbols(place, column)
    if kind == "text":
        return pc.fill_null(column.cast(pa.string()), "").to_numpy(zero_copy_only=False)
    if pa.types.is_string(column.type) and is_text(place.path):
        return _numbers(place, column, options, scaled=kind == "amount")
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        if column.null_count == len(column):
            return np.full(len(column), np.nan)
        raise place.error(f"it holds {column.type}, not numbers", f"Store prices as numbers. {_NAME_THEM}")
    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


_NAME_THEM = 'If it is not a price, name those that are: data.columns = { close = "…", symbol = "…" }.'


def _numbers(place: Place, column: pa.Array, options: FilesOptions, *, scaled: bool) -> npt.NDArray[np.float64]:
    out = np.full(len(column), np.nan)
    for offset, cell in enumerate(column.to_pylist()):
        try:
            out[offset] = number(cell or "", options.decimal, scaled=scaled)
        except ValueError:
            hint = f"Fix that row; a missing value is an empty cell. {_NAME_THEM}"
            if re.fullmatch(r"\s*[\d.,']*\d[.,]\d[\d.,']*\s*", cell):
                hint = 'Name the decimal separator; the other one then groups thousands: data.decimal = "," or ".".'
            raise place.error(f"{shortened(cell.strip(), 60)!r} is not a number", hint, offset) from None
    return out


def number(cell: str, decimal: str | None, *, scaled: bool = False) -> float:
    """Return the number that a cell holds; NaN for an empty one.

    Args:
        cell: Its text.
        decimal: The decimal sign, where the user named it: the other one may then group thousands.
        scaled: Whether ``1.2M`` is 1,200,000, and ``-`` is missing.

    Raises:
        ValueError: If it holds none.
    """
    bare, unit = cell.strip(), 1.0
    if bare in _MISSING or (scaled and bare == "-"):
        return np.nan
    if scaled and (found := _AMOUNT.fullmatch(bare)):
        bare, unit = found[1], _UNITS[found[2].lower()]
    if decimal is not None:
        group = "." if decimal == "," else ","
        if group in bare and not re.fullmatch(rf"[+-]?\d{{1,3}}(\{group}\d{{3}})+(\{decimal}\d*)?", bare):
            raise ValueError(bare)
        bare = bare.replace(group, "").replace(decimal, ".")
    if "_" in bare or not re.search(r"\d", bare):
        raise ValueError(bare)
    return float(bare) * unit


def _symbols(place: Place, column: pa.Array) -> Any:
    if pa.types.is_nested(column.type):
        raise place.error(f"it holds {column.type}, not text", "Store symbols as text.")
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    names = column.dictionary.cast(pa.string())
    bare = pc.utf8_trim_whitespace(names)
    if not bare.equals(names):  # two spellings may become one
        column = pc.take(bare, column.indices).dictionary_encode()
    empty = pc.fill_null(pc.equal(column.cast(pa.string()), ""), True)
    if (first := empty.index(True).as_py()) >= 0:
        raise place.error("it is empty", "Every row needs a symbol.", first)
    return column.to_pandas()


def dates(place: Place, column: pa.Array, options: FilesOptions) -> npt.NDArray[np.datetime64]:
    """Return the days of a column, ``datetime64[D]``.

    Raises:
        DataError: If a cell is empty, or no day: unless the format says so, days are ISO 8601; a moment that is no
            midnight has a day only in a zone that is named.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_integer(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = _parsed(place, pc.utf8_trim_whitespace(column), options)
    if pa.types.is_timestamp(column.type):
        column = _days(place, column, options)
    elif not pa.types.is_date(column.type):
        raise place.error(f"it holds {column.type}, not dates", _HOW_DATES)
    if (first := pc.is_null(column).index(True).as_py()) >= 0:
        raise place.error("it is empty", "Every row needs a date.", first)
    return np.asarray(column.cast(pa.date32()).to_numpy(zero_copy_only=False).astype("datetime64[D]"))


def _parsed(place: Place, column: pa.Array, options: FilesOptions) -> pa.Array:
    if options.date_format is not None:
        return _formatted(place, column, options.date_format)
    try:
        return column.cast(pa.date32())
    except pa.ArrowInvalid:
        pass
    if _all_match(column, _BASIC):
        return pa.array([_day(place, f"{t[:4]}-{t[4:6]}-{t[6:]}", row) for row, t in enumerate(column.to_pylist())])
    if options.timezone is not None:
        return _moments(place, column)
    if (first := pc.fill_null(pc.match_substring_regex(column, _MIDNIGHT), False).index(False).as_py()) >= 0:
        raise _no_day(place, column[first].as_py(), first)
    return pa.array([_day(place, text, row) for row, text in enumerate(column.to_pylist())], pa.date32())


def _all_match(column: pa.Array, pattern: str) -> bool:
    return bool(len(column)) and pc.all(pc.fill_null(pc.match_substring_regex(column, pattern), False)).as_py() is True


def _formatted(place: Place, column: pa.Array, form: str) -> pa.Array:
    """Return the moments of texts that are written in a given way."""
    import pandas as pd

    found = pd.to_datetime(pd.Series(column.to_pylist(), dtype="str"), format=form, errors="coerce")
    if (bad := np.flatnonzero(found.isna().to_numpy())).size:
        text = shortened(str(column[int(bad[0])].as_py()), 40)
        hint = f"data.date_format is {form!r}."
        raise place.error(f"{text!r} is not a date of that format", hint, int(bad[0]))
    return pa.Array.from_pandas(found)


def _moments(place: Place, column: pa.Array) -> pa.Array:
    """Return the moments of ISO 8601 texts; one without an offset is meant in the zone."""
    import pandas as pd

    texts = column.to_pylist()
    zoned = any(re.search(r"(Z|[+-]\d{2}:?\d{2})$", str(text)) for text in texts)
    found = pd.to_datetime(pd.Series(texts, dtype="str"), format="ISO8601", errors="coerce", utc=zoned)
    if (bad := np.flatnonzero(found.isna().to_numpy())).size:
        raise _no_day(place, texts[int(bad[0])], int(bad[0]))
    return pa.Array.from_pandas(found)


def _day(place: Place, text: str, row: int) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise _no_day(place, text, row) from None


def _no_day(place: Place, text: Any, row: int) -> DataError:
    return place.error(f"{shortened(str(text), 40)!r} is not a date", _HOW_DATES, row)


def _days(place: Place, column: pa.Array, options: FilesOptions) -> pa.Array:
    """Return the days of moments: in the zone that is named, else only of midnights."""
    zone = options.timezone or column.type.tz
    if column.type.tz is not None:
        column = pc.local_timestamp(column.cast(pa.timestamp(column.type.unit, zone)))
    days = pc.floor_temporal(column, unit="day")
    whole = pc.fill_null(pc.equal(days, column), True)
    if options.timezone is None and options.date_format is None and (first := whole.index(False).as_py()) >= 0:
        raise _no_day(place, column[first].as_py(), first)
    return days.cast(pa.date32())
