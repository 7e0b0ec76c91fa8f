"""CSV files: which rows are names, what separates the cells, and the rows below in batches."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
from pyarrow import csv as arrow

from quantflow.config.data import FilesOptions
from quantflow.data.providers.files.labels import EXACT, SYNONYMS, field_of, plain
from quantflow.data.providers.files.locations import shown
from quantflow.errors import DataError, shortened

if TYPE_CHECKING:
    from quantflow.data.providers.files.convert import Kind

SEPARATORS = (",", ";", "\t", "|")
_LEVELS = frozenset({"ticker", "tickers", "symbol", "symbols", "price", "attributes", "field", "fields"})
"""How a row of names is called."""
_LONGEST = 16 << 20
_BLOCK_ROWS = 64


@dataclass(frozen=True)
class Header:
    """The first rows of a CSV file.

    Attributes:
        names: The name of each column; of several rows of names the text of a tuple.
        separator: What is between the cells.
        rows: How many rows are names.
        length: Bytes of the longest of them.
    """

    names: list[str]
    separator: str
    rows: int
    length: int


def header(path: str, file: BinaryIO, said: FilesOptions) -> Header:
    """Return the names of a CSV file's columns; the file is left behind them.

    Two rows of names are taken for such when one of them has nothing but fields of bars (Open, Close, ...): so does
    yfinance write, with a third row that names the index.

    Raises:
        DataError: If it has none, or two are the same.
    """
    lines = [file.readline(_LONGEST)]
    separator = said.separator or _separator(path, lines[0])
    first = _cells(path, lines[0], separator, 1)
    start = after = file.tell()
    lines.append(file.readline(_LONGEST))
    second = _peeked(lines[1], separator)
    if not _is_level(first, second):
        file.seek(after)
        return Header(checked(path, first), separator, 1, len(lines[0]))
    after = file.tell()
    lines.append(file.readline(_LONGEST))
    third = _peeked(lines[2], separator)
    named = bool(third) and not any(cell.strip() for cell in third[1:]) and _is_date(third[0])
    if not named:
        file.seek(after)
    if not (named or _says_level(first, second)):  # a row of units, or of text among the prices
        file.seek(start)
        return Header(checked(path, first), separator, 1, len(lines[0]))
    date = third[0] if named else next((row[0] for row in (second, first) if _is_date(row[0])), "date")
    pairs = [str((one.strip(), other.strip())) for one, other in zip(first[1:], second[1:], strict=True)]
    return Header(checked(path, [date, *pairs]), separator, 2 + named, max(map(len, lines)))


def batches(
    path: str,
    file: BinaryIO,
    choose: Callable[[Sequence[str]], Mapping[str, Kind]],
    said: FilesOptions,
    numbers: Any = None,
) -> Iterator[tuple[Mapping[str, Kind], pa.RecordBatch, int]]:
    """Yield the chosen columns' kinds, a batch of them, and the number of its first row.

    Args:
        path: The file, for errors.
        file: Its beginning.
        choose: Picks the columns.
        said: What the user said of its cells.
        numbers: The type that numbers are read as: float64 when None.

    Raises:
        pyarrow.ArrowInvalid: If a row or a cell is malformed.
    """
    found = header(path, file, said)
    kinds = choose(found.names)
    number = numbers or pa.float64()
    types = {"symbol": pa.dictionary(pa.int32(), pa.string()), "number": number, "amount": number}
    try:
        reader = arrow.open_csv(
            file,
            arrow.ReadOptions(
                use_threads=False, block_size=max(1 << 20, _BLOCK_ROWS * found.length), column_names=found.names
            ),
            parse_options=arrow.ParseOptions(delimiter=found.separator),
            convert_options=arrow.ConvertOptions(
                column_types={name: types.get(kind, pa.string()) for name, kind in kinds.items()},
                include_columns=list(kinds),
                decimal_point=said.decimal or ".",
            ),
        )
        row = found.rows + 1
        for batch in reader:
            yield kinds, batch, row
            row += batch.num_rows
    except pa.ArrowInvalid as error:
        if str(error) != "Empty CSV file":
            raise


def explained(path: str, message: str, said: FilesOptions) -> DataError:
    """Return what pyarrow says of a malformed file as an error that names the row."""
    row = re.search(r"Row #(\d+)", message)
    where = f", row {int(row[1]) + 1}" if row else ""
    what = message.rpartition("Row #")[2].partition(": ")[2] or message
    return DataError(f"{shown(path)}{where}: {shortened(what, 200)}.", hint="Fix that row, or say data.separator.")


def checked(path: str, names: Sequence[str]) -> list[str]:
    """Return a file's column names.

    Raises:
        DataError: If there is none, or two are the same.
    """
    stripped = [name.strip() for name in names]
    if not any(stripped):
        raise DataError(f"{shown(path)}, row 1: no column is named.", hint="The first row must name the columns.")
    if twice := sorted({name for name in stripped if stripped.count(name) > 1}):
        raise DataError(f"{shown(path)}, row 1: two columns are called {twice[0]!r}.", hint="Rename one of them.")
    return list(names)


def _separator(path: str, line: bytes) -> str:
    """Return what separates the names: the one sign that parts them, or the one that leaves a date among them."""
    parted = {sign: cells for sign in SEPARATORS if len(cells := _peeked(line, sign)) > 1}
    dated = [sign for sign, cells in parted.items() if any(_is_date(cell) for cell in cells)]
    candidates = dated or list(parted) or [","]
    if len(candidates) > 1:
        signs = " and ".join(map(repr, candidates))
        raise DataError(
            f"{shown(path)}, row 1: {signs} could separate the cells.", hint='Say which: data.separator = ";".'
        )
    return candidates[0]


def _cells(path: str, line: bytes, separator: str, row: int) -> list[str]:
    try:
        rows = list(csv.reader([line.decode("utf-8-sig")], strict=True, delimiter=separator))
    except (UnicodeDecodeError, csv.Error) as error:
        what = f"{shown(path)}, row {row}: no header of a CSV file ({error})."
        raise DataError(what, hint="Save it as UTF-8.") from None
    return rows[0] if rows else []


def _peeked(line: bytes, separator: str) -> list[str]:
    """Return the cells of a line that need not be a CSV file's."""
    try:
        rows = list(csv.reader([line.decode("utf-8-sig")], delimiter=separator))
    except (UnicodeDecodeError, csv.Error):
        return []
    return rows[0] if rows else []


def _is_level(first: Sequence[str], second: Sequence[str]) -> bool:
    if len(first) != len(second) or len(first) < 2 or not all(cell.strip() for cell in (*first[1:], *second[1:])):
        return False
    return any(all(field_of(cell) is not None for cell in row[1:]) for row in (first, second)) and not any(
        re.fullmatch(r"\s*[\d.,+-]+\s*", cell) for cell in second[1:]
    )


def _says_level(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether two rows of names say what they are, or name several symbols."""
    symbols = [row for row in (first, second) if not all(field_of(cell) is not None for cell in row[1:])]
    several = bool(symbols) and len({cell.strip() for cell in symbols[0][1:]}) > 1
    return several or any(plain(row[0]) in _LEVELS for row in (first, second))


def _is_date(cell: str) -> bool:
    return plain(cell) in (*EXACT["date"], *SYNONYMS["date"])
