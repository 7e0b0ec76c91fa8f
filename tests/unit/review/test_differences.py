"""Artifacts are compared to the bit, and the first place at which they differ is named."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.data.panel import Panel
from quantflow.review.differences import Mismatch, is_dated, mismatch, up_to

DAYS = pd.date_range("2024-01-01", periods=4, name="date")


def frame(**columns: Any) -> pd.DataFrame:
    """A table with a row per symbol."""
    return pd.DataFrame(columns, index=pd.Index(["A", "B"], name="symbol"))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (frame(x=[1.0, np.nan]), frame(x=[1.0, np.nan]), None),
        (frame(x=[0.0, 1.0]), frame(x=[-0.0, 1.0]), Mismatch("x", "A", None, "0.0", "-0.0")),
        (frame(x=[1.0, 0.1 + 0.2]), frame(x=[1.0, 0.3]), Mismatch("x", "B", None, "0.30000000000000004", "0.3")),
        (frame(x=[1, 2]), frame(x=[1.0, 2.0]), Mismatch("x", "A", None, "1", "1.0", 1)),
        (frame(x=[1, 2], y=[1, 2]), frame(x=[1, 9], y=[8, 9]), Mismatch("y", "A", None, "1", "8", 2)),
        (frame(x=[1, 2]), frame(y=[1, 2]), Mismatch("x", "", None, "there", "missing", 2)),
        (frame(x=[1, 2]), frame(x=[1, 2]).iloc[:1], Mismatch("row", "B", None, "there", "missing")),
        (frame(x=["a", "b"]), frame(x=["a", "c"]), Mismatch("x", "B", None, "b", "c")),
        (frame(x=[0.0, 0.0]), frame(x=[0, 0]), Mismatch("x", "A", None, "0.0", "0")),
        (frame(x=[0, 1]), frame(x=[False, True]), Mismatch("x", "A", None, "0", "False")),
        (
            frame(x=[0.0, 1.0]),
            frame(x=np.array([0, 1], np.float32)),
            Mismatch("x", "A", None, "float64", "float32"),
        ),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, Mismatch("a.c", "", None, "2", "missing")),
        ("same", "same", None),
        (frame(x=[1, 2]), "text", Mismatch("type", "", None, "DataFrame", "str")),
    ],
)
def test_the_first_difference_is_named(left: Any, right: Any, expected: Mismatch | None) -> None:
    """Values, signs of zero, types, columns and rows all count; NaN equals itself."""
    assert mismatch(left, right) == expected


def test_of_dated_rows_the_earliest_is_named() -> None:
    """The date comes before the order of the columns."""
    left = pd.DataFrame({"x": [1.0, 2, 3, 4], "y": [1.0, 2, 3, 4]}, index=DAYS)
    right = left.assign(x=[1.0, 2, 3, 9], y=[1.0, 9, 3, 4])
    assert mismatch(left, right) == Mismatch("y", "", "2024-01-02", "2.0", "9.0", 2)


def test_panels_are_dated_tables() -> None:
    """A panel differs at a symbol, a field and a session, and is cut by its sessions."""
    days = DAYS.to_numpy().astype("datetime64[D]")
    closes = np.arange(8.0).reshape(2, 4)
    other = closes.copy()
    other[1, 2] = 99
    left, right = Panel(("A", "B"), days, {"close": closes}), Panel(("A", "B"), days, {"close": other})
    assert mismatch(left, right) == Mismatch("close", "B", "2024-01-03", "6.0", "99.0")
    assert mismatch(up_to(left, days[1]), up_to(right, days[1])) is None


def test_panels_of_other_symbols_or_sessions_say_which() -> None:
    """What came or went, the first by name and how many; a panel is not taken apart for that."""
    days = DAYS.to_numpy().astype("datetime64[D]")

    def panel(symbols: tuple[str, ...], sessions: Any) -> Panel:
        return Panel(symbols, sessions, {"close": np.ones((len(symbols), len(sessions)))})

    whole = panel(("A", "B", "C"), days)
    assert mismatch(whole, panel(("A", "C"), days)) == Mismatch("row", "B", None, "there", "missing")
    assert mismatch(panel(("C",), days), whole) == Mismatch("row", "A and 1 more", None, "missing", "there")
    later = panel(("A", "B", "C"), days[2:])
    assert mismatch(whole, later) == Mismatch("row", "all symbols (2 sessions)", "2024-01-01", "there", "missing")
    assert mismatch(whole, panel(("A", "B", "C"), days)) is None


def test_tables_of_other_lengths_are_compared_in_little_memory() -> None:
    """The first row that only one has, of any kinds of columns; a row that is there twice leaves the lengths."""
    long = pd.DataFrame({"symbol": np.repeat([f"S{i}" for i in range(300)], 300), "date": [*DAYS[:3]] * 30_000})
    long["date"] += pd.to_timedelta(np.arange(len(long)) % 300, unit="D")
    tracemalloc.start()
    found = mismatch(long, long.drop(index=70_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == Mismatch("row", "S233", str(long["date"][70_000].date()), "there", "missing")
    assert peak < 200 * len(long)
    twice = pd.concat([long, long.tail(1)], ignore_index=True)
    assert mismatch(long, twice) == Mismatch("rows", "", None, "90000", "90001")
    lists = frame(x=[[1], [2]])
    assert mismatch(lists, lists.iloc[:1]) == Mismatch("row", "B", None, "there", "missing")


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        (pd.DataFrame({"x": range(4)}, index=DAYS), 2),
        (pd.DataFrame({"date": DAYS, "x": range(4)}), 2),
        (pd.DataFrame({"date": DAYS.tz_localize("UTC"), "x": range(4)}), 2),
        (pd.DataFrame({"x": range(4)}), 4),
    ],
)
def test_rows_are_cut_by_their_date(value: pd.DataFrame, rows: int) -> None:
    """Dates in the index or a column, with a zone or without, cut a table; one without dates is left whole."""
    assert len(up_to(value, np.datetime64("2024-01-02"))) == rows
    assert is_dated(value) == (rows == 2)
