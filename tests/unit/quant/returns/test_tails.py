"""Tails and shapes of distributions, against SciPy, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from quantflow.quant.returns.tails import (
    excess_kurtosis,
    histogram,
    longest_streak,
    normal_counts,
    payoff_ratio,
    profit_factor,
    skewness,
    tail_ratio,
    value_at_risk,
)

RETURNS = np.random.default_rng(9).standard_t(4, 1500) * 0.01


def test_moments_are_those_of_scipy() -> None:
    """Skewness and excess kurtosis are the population moments."""
    assert skewness(RETURNS) == pytest.approx(stats.skew(RETURNS), abs=1e-10)
    assert excess_kurtosis(RETURNS) == pytest.approx(stats.kurtosis(RETURNS), abs=1e-10)
    assert skewness(np.full(5, 0.01)) is None
    assert excess_kurtosis(np.array([0.01])) is None


def test_value_at_risk_is_the_quantile() -> None:
    """Of 1 % to 100 % of loss, 95 of 100 do not exceed the 95 % figure, linear in between; a gain is negative."""
    losses = -np.arange(1, 101) / 100.0
    assert value_at_risk(losses, 0.95) == pytest.approx(0.9505, abs=1e-12)
    assert value_at_risk(np.array([0.1, 0.1]), 0.95) == pytest.approx(-0.1)
    ordered = np.sort(RETURNS)
    place = 0.05 * (len(ordered) - 1)
    low = int(place)
    expected = -(ordered[low] + (place - low) * (ordered[low + 1] - ordered[low]))
    assert value_at_risk(RETURNS, 0.95) == pytest.approx(expected, abs=1e-10)


def test_gains_are_compared_with_losses() -> None:
    """Sums for the profit factor, means for the payoff ratio, quantiles for the tail ratio; None without losses."""
    returns = np.array([0.03, 0.01, -0.02, 0.0])
    assert profit_factor(returns) == pytest.approx(2.0)
    assert payoff_ratio(returns) == pytest.approx(1.0)
    gains, losses = RETURNS[RETURNS > 0], RETURNS[RETURNS < 0]
    assert profit_factor(RETURNS) == pytest.approx(sum(gains) / -sum(losses), abs=1e-10)
    assert payoff_ratio(RETURNS) == pytest.approx((sum(gains) / len(gains)) / (-sum(losses) / len(losses)), abs=1e-10)
    assert tail_ratio(np.linspace(-0.01, 0.02, 101)) == pytest.approx(0.0185 / 0.0085)
    assert [f(np.zeros(3)) for f in (profit_factor, payoff_ratio, tail_ratio)] == [None] * 3


@pytest.mark.parametrize(
    ("returns", "gains", "losses"),
    [([], 0, 0), ([0.0], 0, 0), ([1, 1, -1, 1], 2, 1), ([-1, -1, 0, -1], 0, 2), ([1, 1, 1], 3, 0)],
)
def test_streaks_are_runs_of_one_sign(returns: list[float], gains: int, losses: int) -> None:
    """A return of 0 ends both."""
    values = np.array(returns, dtype=np.float64)
    assert (longest_streak(values, 1), longest_streak(values, -1)) == (gains, losses)


def test_a_histogram_counts_every_return_once() -> None:
    """Edges are multiples of the width around the reach; what lies beyond is in the outermost bins, and counted."""
    found = histogram(RETURNS, 0.0025, 0.03)
    assert found.counts.sum() == len(RETURNS)
    assert found.edges / 0.0025 == pytest.approx(np.round(found.edges / 0.0025), abs=1e-9)
    inner = np.histogram(RETURNS, found.edges)[0]
    assert found.counts[1:-1].tolist() == inner[1:-1].tolist()
    assert found.below == (found.edges[0] > RETURNS).sum() > 0
    assert found.counts[0] == inner[0] + found.below
    assert found.above == (found.edges[-1] <= RETURNS).sum() > 0


def test_normal_counts_are_those_of_the_cumulative_distribution() -> None:
    """A bin holds what the distribution function says, times the number of draws."""
    edges = np.array([-0.02, 0.0, 0.01])
    expected = 100 * np.diff(stats.norm.cdf(edges, 0.001, 0.01))
    assert normal_counts(edges, 0.001, 0.01, 100) == pytest.approx(expected, abs=1e-10)
