"""Two symbols with one series of prices are found, at little cost, and nothing else is."""

from __future__ import annotations

import time

import numpy as np
import pytest

from quantflow.data.panel import Panel
from quantflow.data.quality.identical import LEAST, identical

DAYS = np.arange("2020-01-01", "2020-09-01", dtype="datetime64[D]")


def panel(**closes: np.ndarray) -> Panel:
    """A panel of these closes."""
    return Panel(tuple(closes), DAYS, {"close": np.stack(list(closes.values()))})


@pytest.fixture
def close() -> np.ndarray:
    """A series of random prices."""
    return 50 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.01, len(DAYS))))


def test_a_copy_is_found_also_one_that_ends_or_begins_elsewhere(close: np.ndarray) -> None:
    """The same closes on all sessions that both have, with the number of them and the name of the first."""
    older, shorter = close.copy(), close.copy()
    older[-30:], shorter[:40] = np.nan, np.nan
    found = identical(panel(A=close, B=close * 2, C=close, D=older, E=shorter))
    assert [(each.symbol, each.check, each.outcome, each.observed) for each in found] == [
        ("C", "identical", "warn", len(DAYS)),
        ("D", "identical", "warn", len(DAYS) - 30),
        ("E", "identical", "warn", len(DAYS) - 40),
    ]
    assert all("those of A on all" in each.reason for each in found)


def test_what_only_begins_alike_does_not_move_or_is_short_is_no_copy(close: np.ndarray) -> None:
    """One other close, a constant series, or fewer than the least sessions."""
    other, short, flat = close.copy(), close.copy(), np.ones(len(DAYS))
    other[100] += 0.01
    short[LEAST - 1 :] = np.nan
    assert identical(panel(A=close, B=other, C=short, D=short, E=flat, F=flat)) == []


def test_many_symbols_cost_little() -> None:
    """5,000 symbols are compared in about a second, not in the hours of all pairs."""
    grid = np.random.default_rng(1).normal(size=(5_000, len(DAYS)))
    started = time.perf_counter()
    assert identical(Panel(tuple(f"S{i:04}" for i in range(5_000)), DAYS, {"close": grid})) == []
    assert time.perf_counter() - started < 5.0
