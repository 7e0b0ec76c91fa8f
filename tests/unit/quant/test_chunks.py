"""Chunks of rows on threads."""

from __future__ import annotations

import threading

import pytest

from quantflow.quant.chunks import each_chunk


@pytest.mark.parametrize("threads", [1, 2, 8, None])
def test_chunks_cover_all_rows_in_order(threads: int | None) -> None:
    """Results come in the order of the rows, each row once, whatever the number of threads."""
    found = each_chunk(lambda rows: list(range(rows.start, rows.stop)), 10, 4, threads)
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_small_market_stays_on_its_thread() -> None:
    """One chunk starts no thread; no rows are no work."""
    assert each_chunk(lambda rows: threading.current_thread(), 4, 4) == [threading.current_thread()]
    assert each_chunk(lambda rows: rows, 0, 4) == []


def test_an_error_in_a_chunk_is_not_lost() -> None:
    """What a thread raises comes out."""

    def fail(rows: slice) -> None:
        raise ValueError(f"rows {rows.start}")

    with pytest.raises(ValueError, match="rows 0"):
        each_chunk(fail, 10, 4, 2)
