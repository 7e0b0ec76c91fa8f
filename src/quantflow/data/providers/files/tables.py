"""CSV and Parquet files read in batches: named columns of dates, numbers and text, or an error that says where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quantflow.config.data import FilesOptions
from quantflow.data.providers.files import text
from quantflow.data.providers.files.convert import Kind, Place, converted, dates
from quantflow.data.providers.files.locations import explained, is_text, opened

Choice = Mapping[str, Kind]
Choose = Callable[[Sequence[str]], Choice]
"""Given the file's column names, says which to read, and as what."""

Span = tuple[date, date]
"""First and last day of the rows that matter: what is wrong in others is nobody's concern."""

_CELLS = 1 << 20


def read(
    path: str, choose: Choose, options: FilesOptions | None = None, span: Span | None = None
) -> Iterator[dict[str, Any]]:
    """Return the file's rows, some thousand at a time, in the file's order.

    Args:
        path: A local path or fsspec URL that ends in one of ``locations.SUFFIXES``.
        choose: Picks the columns.
        options: What the user said of its cells.
        span: Where given, rows of other days are left out before the numbers among them are looked at.

    Returns:
        For each batch the chosen columns by name, each of the same length.

    Raises:
        DataError: If the file is damaged, or a cell is not what its column should hold: with file, row and column.
        DataUnavailableError: If a remote file cannot be had now.
    """
    said = options or FilesOptions()
    for kinds, batch, first in _batches(path, choose, said):
        with explained(path):  # whatever a damaged cell makes pyarrow say
            made = _columns(path, kinds, batch, first, said, span)
        yield made


def header(path: str, options: FilesOptions | None = None) -> list[str]:
    """Return the file's column names; those of several rows or levels as the text of a tuple.

    Raises:
        DataError: If it has none, or two are the same.
        DataUnavailableError: If a remote file cannot be had now.
    """
    with opened(path) as file:
        if is_text(path):
            return text.header(path, file, options or FilesOptions()).names
        return text.checked(path, pq.ParquetFile(file).schema_arrow.names)


def _batches(path: str, choose: Choose, said: FilesOptions) -> Iterator[tuple[Choice, pa.RecordBatch, int]]:
    """Return the columns that are read, a batch of them, and the number of its first row, the header's being 1."""
    with opened(path) as file:
        if not is_text(path):
            yield from _parquet(path, file, choose)
            return
        row = 0
        try:
            for kinds, batch, first in text.batches(path, file, choose, said):
                yield kinds, batch, first
                row = first + batch.num_rows
            return
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise text.explained(path, str(error), said) from None
    with opened(path) as file:  # once more, with the numbers as text: which cell it is, and whether it matters
        try:
            for kinds, batch, first in text.batches(path, file, choose, said, numbers=pa.string()):
                if (done := max(0, row - first)) < batch.num_rows:
                    yield kinds, batch.slice(done), first + done
        except pa.ArrowInvalid as error:
            raise text.explained(path, str(error), said) from None


def _parquet(path: str, file: BinaryIO, choose: Choose) -> Iterator[tuple[Choice, pa.RecordBatch, int]]:
    table, row = pq.ParquetFile(file), 2
    kinds = choose(text.checked(path, table.schema_arrow.names))
    for batch in table.iter_batches(max(1, _CELLS // len(kinds)), columns=list(kinds), use_threads=False):
        yield kinds, batch, row
        row += batch.num_rows


def _columns(
    path: str, kinds: Choice, batch: pa.RecordBatch, first: int, said: FilesOptions, span: Span | None
) -> dict[str, Any]:
    """Return the converted columns of a batch, the rows of other days than those of *span* left out."""
    days = {
        name: dates(Place(path, name, first), batch.column(name), said)
        for name, kind in kinds.items()
        if kind == "date"
    }
    rows = np.arange(batch.num_rows)
    for name, found in days.items():
        if span is not None:
            low, high = (np.datetime64(day, "D") for day in span)
            rows = rows[(found[rows] >= low) & (found[rows] <= high)]
        if (early := np.flatnonzero(found[rows] < np.datetime64("1900-01-01"))).size:
            at = int(rows[early[0]])
            raise Place(path, name, first).error(f"{found[at]} is before 1900", "Fix the date.", at)
    kept = batch if len(rows) == batch.num_rows else batch.take(pa.array(rows))
    return {
        name: days[name][rows]
        if kind == "date"
        else converted(Place(path, name, first, rows), kept.column(name), kind, said)
        for name, kind in kinds.items()
    }
