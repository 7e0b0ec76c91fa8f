"""Drawdowns one by one, against a walk through the sessions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from quantflow.quant.metrics import max_drawdown
from quantflow.quant.returns.drawdowns import Drawdown, episodes, longest, ulcer_index, worst

RETURNS = np.random.default_rng(7).normal(0.0004, 0.012, 3000)


def walked(returns: np.ndarray) -> list[tuple[int, int, int | None, float]]:
    """Return peak, bottom, recovery and depth of each drawdown, session by session."""
    found: list[tuple[int, int, int | None, float]] = []
    wealth = peak = low = 1.0
    peak_at, low_at = -1, -1
    for i, value in enumerate(returns.tolist()):
        wealth *= 1.0 + value
        if wealth >= peak:
            if low < peak:
                found.append((peak_at, low_at, i, 1.0 - low / peak))
            peak, low, peak_at = wealth, wealth, i
        elif wealth < low:
            low, low_at = wealth, i
    return [*found, (peak_at, low_at, None, 1.0 - low / peak)] if low < peak else found


def test_drawdowns_are_those_of_a_walk() -> None:
    """Each has the peak, bottom, recovery and depth that walking from session to session finds."""
    found, expected = episodes(RETURNS), walked(RETURNS)
    assert [(each.peak, each.bottom, each.recovered) for each in found] == [each[:3] for each in expected]
    assert [each.depth for each in found] == pytest.approx([each[3] for each in expected], abs=1e-10)


def test_the_worst_come_first() -> None:
    """The first one is the max drawdown; depths fall; none overlap; spans add up."""
    found = worst(RETURNS, 5)
    assert found[0].depth == max_drawdown(RETURNS)
    assert [each.depth for each in found] == sorted((each.depth for each in found), reverse=True)
    spans = sorted((each.peak, each.recovered or len(RETURNS)) for each in found)
    assert all(stop <= start for (_, stop), (start, _) in pairwise(spans))
    ended = next(each for each in found if each.recovered is not None)
    assert ended.down + (ended.up or 0) == (ended.recovered or 0) - ended.peak


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ([0.0, 0.0], []),
        ([0.1, 0.2], []),
        ([-0.5, 1.0], [Drawdown(-1, 0, 1, 0.5)]),
        ([0.1, -0.5, 0.0], [Drawdown(0, 1, None, 0.5)]),
        ([-0.5, 1.0, -0.25], [Drawdown(-1, 0, 1, 0.5), Drawdown(1, 2, None, 0.25)]),
        ([-1.0], [Drawdown(-1, 0, None, 1.0)]),
    ],
)
def test_the_first_session_may_fall_and_the_last_need_not_recover(
    returns: list[float], expected: list[Drawdown]
) -> None:
    """Wealth starts at 1 before the first session; a drawdown that lasts has no recovery."""
    assert episodes(np.array(returns)) == expected


def test_the_longest_counts_sessions_below_a_peak() -> None:
    """It is the longest run of sessions with wealth below an earlier one, also when it lasts."""
    assert longest(np.array([0.1, 0.1])) == 0
    assert longest(np.array([-0.1, 0.01, 0.5, -0.1])) == 2
    assert longest(np.array([0.1, -0.1, 0.01, 0.01])) == 3
    wealth = np.concatenate([[1.0], np.cumprod(1 + RETURNS)])
    below, most, run = wealth < np.maximum.accumulate(wealth), 0, 0
    for each in below:
        run = run + 1 if each else 0
        most = max(most, run)
    assert longest(RETURNS) == most


def test_the_ulcer_index_is_the_root_mean_square() -> None:
    """Of drawdowns 0, 50 % and 50 % it is sqrt(1/6)."""
    assert ulcer_index(np.array([0.1, -0.5, 0.0])) == pytest.approx((1 / 6) ** 0.5, abs=1e-12)
