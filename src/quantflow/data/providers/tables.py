"""CSV and Parquet files read in batches: named columns of dates, numbers and text, or an error that says where."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv as arrow

from quantflow.data.providers.locations import opened, shown, suffix
from quantflow.errors import DataError, shortened

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["date", "number", "symbol", "text"]
"""What a column holds: a date (``datetime64[D]``), a number (float64, empty = NaN), a symbol (pandas Categorical) or
text (str, may be empty)."""

Choice = Mapping[str, Kind]
Choose = Callable[[Sequence[str]], Choice]
"""Given the file's column names, says which to read, and as what."""

_LONGEST_HEADER = 16 << 20
_CELLS = 1 << 20
_BLOCK_ROWS = 64
_MIDNIGHT = r"^\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"


def read(path: str, choose: Choose) -> Iterator[dict[str, Any]]:
    """Return the file's rows, some thousand at a time, in the file's order.

    Args:
        path: A local path or fsspec URL that ends in one of ``locations.SUFFIXES``.
        choose: Picks the columns.

    Returns:
        For each batch the chosen columns by name, each of the same length.

    Raises:
        DataError: If the file is damaged, or a cell is not what its column should hold: with file, row and column.
        DataUnavailableError: If a remote file cannot be had now.
    """
    with opened(path) as file:
        batches = _csv(path, file, choose) if suffix(path).startswith(".csv") else _parquet(path, file, choose)
        row = 2
        for kinds, batch in batches:
            yield {name: _column(_Place(path, name, row), batch.column(name), kind) for name, kind in kinds.items()}
            row += batch.num_rows


def header(path: str) -> list[str]:
    """Return the file's column names.

    Raises:
        DataError: If it has none, or two are the same.
        DataUnavailableError: If a remote file cannot be had now.
    """
    with opened(path) as file:
        if suffix(path).startswith(".csv"):
            return _csv_header(path, file)[0]
        return _checked_names(path, pq.ParquetFile(file).schema_arrow.names)


def _csv(path: str, file: BinaryIO, choose: Choose) -> Iterator[tuple[Choice, pd.DataFrame]]:
    names, length = _csv_header(path, file)
    kinds = choose(names)
    types = dict.fromkeys(("date", "text"), pa.string())
    types |= {"number": pa.float64(), "symbol": pa.dictionary(pa.int32(), pa.string())}
    try:
        reader = arrow.open_csv(
            file,
            arrow.ReadOptions(use_threads=False, block_size=max(1 << 20, _BLOCK_ROWS * length), column_names=names),
            convert_options=arrow.ConvertOptions(
                column_types={name: types[kind] for name, kind in kinds.items()}, include_columns=list(kinds)
            ),
        )
        for batch in reader:
            yield kinds, batch
    except pa.ArrowInvalid as error:
        if str(error) != "Empty CSV file":
            raise _csv_error(path, str(error), names) from None


def _csv_header(path: str, file: BinaryIO) -> tuple[list[str], int]:
    """Return the column names and the first line's length; the file is left at the second line."""
    line = file.readline(_LONGEST_HEADER)
    try:
        rows = list(csv.reader([line.decode("utf-8-sig")], strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{shown(path)}, row 1: no header of a CSV file ({error}).", hint="Save it as UTF-8.") from None
    return _checked_names(path, rows[0] if rows else []), len(line)


def _checked_names(path: str, names: Sequence[str]) -> list[str]:
    stripped = [name.strip() for name in names]
    if not any(stripped):
        raise DataError(f"{shown(path)} is empty.", hint="Its first row must name the columns.")
    if twice := sorted({name for name in stripped if stripped.count(name) > 1}):
        raise DataError(f"{shown(path)}, row 1: two columns are called {twice[0]!r}.", hint="Rename one of them.")
    return list(names)


def _csv_error(path: str, message: str, names: Sequence[str]) -> DataError:
    row = re.search(r"Row #(\d+)", message)
    column = re.search(r"In CSV column #(\d+)", message)
    where = f", row {int(row[1]) + 1}" if row else ""
    where += f", column {names[int(column[1])]!r}" if column and int(column[1]) < len(names) else ""
    found = re.search(r"invalid value '(.*)", message)
    what = (
        f"{shortened(found[1].rstrip(chr(39)), 60)!r} is not a number"
        if found
        else message.rpartition("Row #")[2].partition(": ")[2]
    )
    return DataError(
        f"{shown(path)}{where}: {shortened(what or message, 200)}.",
        hint="Fix that row; a missing value is an empty cell.",
    )


def _parquet(path: str, file: BinaryIO, choose: Choose) -> Iterator[tuple[Choice, pd.DataFrame]]:
    table = pq.ParquetFile(file)
    names = _checked_names(path, table.schema_arrow.names)
    kinds = choose(names)
    for batch in table.iter_batches(max(1, _CELLS // len(kinds)), columns=list(kinds), use_threads=False):
        yield kinds, batch


class _Place:
    """Where a batch's column lies, for errors: *row* is the number of the batch's first row, the header being 1."""

    def __init__(self, path: str, column: str, row: int) -> None:
        self.path, self.column, self.row = path, column, row

    def error(self, what: str, hint: str, offset: int | None = None) -> DataError:
        row = "" if offset is None else f", row {self.row + offset}"
        return DataError(f"{shown(self.path)}{row}, column {self.column!r}: {what}.", hint=hint)


def _column(place: _Place, column: pa.ChunkedArray, kind: Kind) -> pa.Array:
    if kind == "symbol":
        return _symbols(place, column)
    if kind == "text":
        return pc.fill_null(column.cast(pa.string()), "").to_numpy(zero_copy_only=False)
    if kind == "date":
        return _dates(place, column)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        if column.null_count == len(column):
            return np.full(len(column), np.nan)
        raise place.error(f"it holds {column.type}, not numbers", "Store prices as numbers.")
    values = column.cast(pa.float64(), safe=False)
    return values.to_numpy(zero_copy_only=False)


def _symbols(place: _Place, column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_nested(column.type):
        raise place.error(f"it holds {column.type}, not text", "Store symbols as text.")
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    empty = pc.fill_null(pc.equal(column.cast(pa.string()), ""), True)
    if (first := empty.index(True).as_py()) >= 0:
        raise place.error("it is empty", "Every row needs a symbol.", first)
    return column.to_pandas()


def _dates(place: _Place, column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = _parsed(place, column)
    elif pa.types.is_timestamp(column.type):
        column = _midnights(place, column)
    elif not pa.types.is_date(column.type):
        raise place.error(f"it holds {column.type}, not dates", "Dates are ISO 8601, as in 2024-01-31.")
    if (first := pc.is_null(column).index(True).as_py()) >= 0:
        raise place.error("it is empty", "Every row needs a date.", first)
    days = column.cast(pa.date32()).to_numpy(zero_copy_only=False).astype("datetime64[D]")
    if len(early := np.flatnonzero(days < np.datetime64("1900-01-01"))):
        raise place.error(f"{days[early[0]]} is before 1900", "Fix the date.", int(early[0]))
    return days


def _parsed(place: _Place, column: pa.ChunkedArray) -> pa.Array:
    try:
        return column.cast(pa.date32())
    except pa.ArrowInvalid:
        iso = pc.fill_null(pc.match_substring_regex(column, _MIDNIGHT), False)
    first = iso.index(False).as_py()
    if first >= 0:
        raise _no_day(place, column[first].as_py(), first)
    return pa.array([_day(place, text, row) for row, text in enumerate(column.to_pylist())], pa.date32())


def _day(place: _Place, text: str, row: int) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise _no_day(place, text, row) from None


def _no_day(place: _Place, text: Any, row: int) -> DataError:
    return place.error(
        f"{shortened(str(text), 40)!r} is not a date",
        "Dates are ISO 8601 days, as in 2024-01-31, without a time of day.",
        row,
    )


def _midnights(place: _Place, column: pa.ChunkedArray) -> pa.Array:
    if column.type.tz is not None:
        column = pc.local_timestamp(column)
    days = pc.floor_temporal(column, unit="day")
    if (first := pc.fill_null(pc.equal(days, column), True).index(False).as_py()) >= 0:
        raise _no_day(place, column[first].as_py(), first)
    return days.cast(pa.date32())
