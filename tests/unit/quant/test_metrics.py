from __future__ import annotations

import numpy as np
import pytest

from quantflow.errors import DataError
from quantflow.quant import metrics

RETURNS = np.array([-0.1, 0.2, -0.05, 0.0, 0.1])


def test_growth_is_compounded() -> None:
    """Total return and CAGR come from compounded wealth: a loss of half after a gain of all is nothing."""
    assert metrics.total_return(np.array([1.0, -0.5])) == pytest.approx(0.0)
    assert metrics.cagr(np.array([1.0, -0.5]), 252) == pytest.approx(0.0, abs=1e-12)
    assert metrics.cagr(np.full(252, 0.001), 252) == pytest.approx(1.001**252 - 1)
    assert metrics.cagr(np.full(126, 0.001), 252) == pytest.approx(1.001**252 - 1)


def test_drawdown_counts_from_initial_wealth() -> None:
    """A loss in the first session is a drawdown, although no close was higher."""
    assert metrics.max_drawdown(np.array([-0.3, 0.1])) == pytest.approx(0.3)
    assert metrics.max_drawdown(np.array([0.1, 0.2])) == 0.0
    np.testing.assert_allclose(metrics.drawdowns(np.array([-0.1, 0.2, -0.5])), [0.1, 0.0, 0.5], atol=1e-15)


def test_textbook_ratios() -> None:
    """Volatility, Sharpe, Sortino and Calmar agree with their definitions written out."""
    found = metrics.summarise(RETURNS, 252)
    mean = sum(RETURNS) / 5
    deviation = (sum((r - mean) ** 2 for r in RETURNS) / 4) ** 0.5
    downside = ((0.1**2 + 0.05**2) / 5) ** 0.5
    assert found["volatility"] == pytest.approx(deviation * 252**0.5)
    assert found["sharpe"] == pytest.approx(mean / deviation * 252**0.5)
    assert found["sortino"] == pytest.approx(mean / downside * 252**0.5)
    assert found["calmar"] == pytest.approx(found["cagr"] / 0.1)
    assert found["hit_rate"] == pytest.approx(2 / 4)
    assert found["sessions"] == 5


def test_cvar_is_the_mean_of_the_tail() -> None:
    """CVaR averages the worst 5 %, with part of a session where the share is not whole; it is positive for a loss."""
    returns = np.arange(-20, 20) / 1000
    assert metrics.cvar(returns, 0.95) == pytest.approx((0.020 + 0.019) / 2)
    assert metrics.cvar(returns[:30], 0.95) == pytest.approx((0.020 + 0.5 * 0.019) / 1.5)
    assert metrics.cvar(np.array([0.01, 0.02]), 0.95) == pytest.approx(-0.01)


def test_undefined_figures_are_none() -> None:
    """Ratios without risk are None, not infinite."""
    found = metrics.summarise(np.zeros(5), 252)
    assert [found[name] for name in ("sharpe", "sortino", "calmar", "hit_rate")] == [None] * 4
    assert metrics.summarise(np.array([0.01]), 252)["volatility"] is None


def test_ruin_is_minus_one() -> None:
    """A total loss has a CAGR of -100 % and a drawdown of 100 %, and every other figure stays finite."""
    found = metrics.summarise(np.array([0.1, -1.0, 0.0]), 252)
    assert (found["cagr"], found["total_return"], found["max_drawdown"]) == (-1.0, -1.0, 1.0)


@pytest.mark.parametrize("returns", [[], [np.nan, 0.1], [-1.5], [[0.1]]])
def test_impossible_streams_are_refused(returns: list[float]) -> None:
    """Nothing, NaN and a loss above 100 % give an error, never a figure."""
    with pytest.raises(DataError):
        metrics.summarise(np.array(returns), 252)
    with pytest.raises(DataError):
        metrics.max_drawdown(np.array(returns))


def test_costs_and_turnover() -> None:
    """Turnover is per year; costs are the share of wealth and the yearly growth that they took."""
    assert metrics.annual_turnover(np.array([1.0, 0.0, 1.0, 0.0]), 252) == pytest.approx(126.0)
    assert metrics.final_cost(np.array([0.1, 0.0, 0.1])) == pytest.approx(0.19)
    assert metrics.cost_drag(np.array([0.01]), np.array([0.0]), 1) == pytest.approx(0.01)
