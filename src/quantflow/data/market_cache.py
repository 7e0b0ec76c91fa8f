"""Bars that were fetched before: kept in blocks that are never changed, so that only new days are asked for.

A block is one answer of a provider for one symbol: a Parquet file whose name tells the days that it covers and the
sha256 of its bytes. A block that does not have these bytes is ignored, so its days are asked for again.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from quantflow.data.panel import FloatArray
from quantflow.data.store import write_atomic

Fetch = Callable[[date, date], FloatArray]
"""Gives the bars between two days, both included: rows of stamp (UTC, ms), open, high, low, close, volume."""

_DAY = 86_400_000
_OVERLAP = timedelta(days=5)
_COLUMNS = ("stamp", "open", "high", "low", "close", "volume")
_NAME = re.compile(r"\d{6}\.(\d{4}-\d\d-\d\d)\.(\d{4}-\d\d-\d\d)\.([0-9a-f]{64})\.parquet")


@dataclass(frozen=True)
class Series:
    """The bars of one symbol.

    Attributes:
        rows: As ``Fetch`` gives them, shape (n, 6), oldest block first.
        restated: Days whose bar is not what it was when it was fetched before, ascending.
        former: The rows of these days as they were; a day that had no bar has none here.
    """

    rows: FloatArray
    restated: tuple[date, ...] = ()
    former: FloatArray = field(default_factory=lambda: np.empty((0, len(_COLUMNS))))


@dataclass(frozen=True)
class _Block:
    first: date
    last: date
    rows: FloatArray


class MarketCache:
    """The bars of one provider's symbols.

    Args:
        folder: Where the blocks lie.
        source: The provider and what its bars depend on, e.g. ``"ccxt-binance"``.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self._home = folder / quote(source, safe="")

    def series(self, symbol: str, first: date, last: date, fetch: Fetch) -> Series:
        """Return the bars from *first* to *last*, fetching the days that no block covers.

        New days are fetched with the five before them. When these are not what they were, history was restated: all
        of it is fetched again, and the days that differ are reported.

        Args:
            symbol: The symbol.
            first: First day.
            last: Last day, which must be over.
            fetch: Asks the provider.

        Raises:
            InfrastructureError: If a block cannot be written.
        """
        home = self._home / quote(symbol, safe="")
        blocks = _read(home)
        restated: tuple[date, ...] = ()
        old = np.empty((0, len(_COLUMNS)))
        if not blocks and first <= last:
            blocks = [_write(home, _Block(first, last, fetch(first, last)))]
        begin, end = min((b.first for b in blocks), default=first), max((b.last for b in blocks), default=last)
        if first < begin:
            before = begin - timedelta(days=1)
            blocks.append(_write(home, _Block(first, before, fetch(first, before))))
            begin = first
        if last > end:
            old = _merged(blocks)
            new, restated = _continued(old, begin, end, last, fetch)
            blocks.append(_write(home, new))
        return Series(_between(_merged(blocks), first, last), restated, _on(old, restated))


def _continued(old: FloatArray, begin: date, end: date, last: date, fetch: Fetch) -> tuple[_Block, tuple[date, ...]]:
    """Return the block of the days after *end*, and the days up to there that were restated."""
    since = max(end - _OVERLAP, begin)
    rows = fetch(since, last)
    if not _differing(_between(old, since, end), _between(rows, since, end)):
        return _Block(since, last, rows), ()
    rows = fetch(begin, last)
    return _Block(begin, last, rows), _differing(old, _between(rows, begin, end))


def _merged(blocks: list[_Block]) -> FloatArray:
    """Return the rows of all blocks; a later block replaces the days that it covers."""
    rows = np.empty((0, len(_COLUMNS)))
    for block in blocks:
        kept = (rows[:, 0] < _stamp(block.first)) | (rows[:, 0] >= _stamp(block.last) + _DAY)
        rows = np.concatenate((rows[kept], block.rows))
    return rows[np.argsort(rows[:, 0] // _DAY, kind="stable")]


def _between(rows: FloatArray, first: date, last: date) -> FloatArray:
    kept: FloatArray = rows[(rows[:, 0] >= _stamp(first)) & (rows[:, 0] < _stamp(last) + _DAY)]
    return kept


def _differing(old: FloatArray, new: FloatArray) -> tuple[date, ...]:
    """Return the days whose bars are not the same in both."""
    before, after = ({(row.tobytes()) for row in np.unique(rows, axis=0)} for rows in (old, new))
    stamps = sorted({np.frombuffer(row)[0] for row in before ^ after})
    return tuple(sorted({np.datetime64(int(stamp), "ms").astype("datetime64[D]").item() for stamp in stamps}))


def _on(rows: FloatArray, days: tuple[date, ...]) -> FloatArray:
    kept: FloatArray = rows[np.isin(rows[:, 0] // _DAY, [_stamp(day) // _DAY for day in days])]
    return kept


def _stamp(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _DAY


def _read(home: Path) -> list[_Block]:
    """Return the sound blocks of one symbol in the order in which they were written.

    They leave no day uncovered between them: what comes after a gap, which a damaged block leaves, is not used.
    """
    found = sorted(path for path in home.glob("*.parquet") if _NAME.fullmatch(path.name))
    blocks = [block for path in found if (block := _block(path)) is not None]
    whole: list[_Block] = []
    for block in blocks:
        near = timedelta(days=1)
        if not whole or any(block.first <= b.last + near and block.last >= b.first - near for b in whole):
            whole.append(block)
    return whole


def _block(path: Path) -> _Block | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    first, last, digest = _NAME.fullmatch(path.name).groups()  # type: ignore[union-attr]
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        return None
    table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    rows = np.column_stack([table.column(name).to_numpy() for name in _COLUMNS])
    return _Block(date.fromisoformat(first), date.fromisoformat(last), rows)


def _write(home: Path, block: _Block) -> _Block:
    """Write a block under the next number; a sound one is never touched again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink: Any = io.BytesIO()
    columns = {name: pa.array(block.rows[:, i]) for i, name in enumerate(_COLUMNS)}
    pq.write_table(pa.table(columns), sink, compression="zstd")
    data = sink.getvalue()
    number = max((int(path.name[:6]) for path in home.glob("*.parquet") if _NAME.fullmatch(path.name)), default=0) + 1
    name = f"{number:06d}.{block.first}.{block.last}.{hashlib.sha256(data).hexdigest()}.parquet"
    write_atomic(home / name, data)
    return block
