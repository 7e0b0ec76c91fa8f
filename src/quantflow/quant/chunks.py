"""Work on many rows, in chunks that fit a core's cache, spread over threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def each_chunk(work: Callable[[slice], T], rows: int, size: int, threads: int | None = None) -> list[T]:
    """Return what *work* gives for each chunk of rows, in order.

    Where chunks begin does not depend on the number of threads, so neither does any result.

    Args:
        work: Called with the rows of a chunk, from any thread; it should release the GIL.
        rows: Number of rows.
        size: Rows of a chunk; the last one may have fewer.
        threads: As many as cores when None; a single chunk never starts one.
    """
    chunks = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
    workers = min(threads or os.cpu_count() or 1, len(chunks))
    if workers < 2:
        return [work(chunk) for chunk in chunks]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, chunks))
