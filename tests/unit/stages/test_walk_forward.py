"""When decisions are made and when they trade: the lag, names without a price, the incumbent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quantflow.config.operation import ValidationConfig
from quantflow.config.sections import RebalanceConfig
from quantflow.data.quotes import Quotes
from quantflow.errors import DataError
from quantflow.quant.backtest import FloatArray, carried_returns, equal_weights
from quantflow.stages.walk_forward import Decide, Market, Portfolio, Rules, proof, schedule, walk

FREE = {"commission_bps": 0.0, "slippage_bps": 0.0, "min_history": 60}


def rules(every: str | int = "daily", lag: int = 1, **validation: Any) -> Rules:
    """Rules without costs, after sixty sessions."""
    return Rules(RebalanceConfig(every=every, lag=lag), ValidationConfig(**{**FREE, **validation}), 252)


def market(close: FloatArray, scheduled: np.ndarray) -> Market:
    """The market of some closes, shape (N, T), on consecutive days."""
    sessions = np.datetime64("2020-01-01", "D") + np.arange(close.shape[1])
    alive = np.isfinite(close)
    names = [f"S{i}" for i in range(len(close))]
    return Market(Quotes(tuple(names), sessions, carried_returns(close), alive), equal_weights(alive[:, scheduled].T))


def proved(close: FloatArray, by: Rules, decide: Decide) -> dict[str, Any]:
    """What a walk-forward makes of some closes."""
    sessions = np.datetime64("2020-01-01", "D") + np.arange(close.shape[1])
    scheduled = schedule(sessions, by, "prices")
    made, earned = walk(market(close, scheduled), scheduled, by, decide)
    return proof(market(close, scheduled), made, earned, by)


def bouncing(names: int = 30, sessions: int = 1500) -> FloatArray:
    """Closes whose true price is a random walk, seen at the bid or at the ask, half a percent to either side."""
    rng = np.random.default_rng(11)
    true = np.exp(np.cumsum(rng.normal(0.0002, 0.01, (names, sessions)), axis=1))
    return np.asarray(true * (1.0 + 0.005 * rng.choice([-1.0, 1.0], (names, sessions))))


def losers(close: FloatArray) -> Decide:
    """Buys the five names that fell most in the session that decides."""

    def decide(position: int, held: FloatArray) -> Portfolio:
        step = close[:, position] / close[:, position - 1]
        return Portfolio(np.where(np.argsort(np.argsort(step)) < 5, 0.2, 0.0))

    return decide


def test_a_bounce_between_bid_and_ask_is_not_earned_by_default() -> None:
    """Who trades at the close that decides buys at the bid what was seen at the bid; a session later nothing is left.

    Both figures stand beside each other where the profile asks for both, its own lag among them or not.
    """
    close = bouncing()
    assert RebalanceConfig().lag == 1
    found = proved(close, rules(lags=(0, 1)), losers(close))["metrics"]
    assert list(found["lags"]) == ["0"]
    later, same, pool = found["strategy"], found["lags"]["0"], found["equal_weight"]
    assert same["sharpe"] > 5.0
    assert later["sharpe"] < pool["sharpe"] + 0.5
    assert (later["lag"], same["lag"]) == (1, 0)
    alone = proved(close, rules(lag=0), losers(close))["metrics"]["strategy"]
    assert same["sharpe"] == pytest.approx(alone["sharpe"], rel=0.02)
    assert "lags" not in proved(close, rules(), losers(close))["metrics"]


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_what_is_decided_earns_from_the_session_after_its_trade(lag: int) -> None:
    """Ten percent in one session are earned if the trade was before it, and not otherwise."""
    close = np.ones((2, 100))
    close[0, 80:] = 1.1

    def decide(position: int, held: FloatArray) -> Portfolio:
        return Portfolio(np.array([1.0, 0.0]) if position == 76 else np.array([0.0, 1.0]))

    net = proved(close, rules(lag=lag), decide)["oos_returns"]["net"]
    assert net.sum() == pytest.approx(0.1 if 76 + lag == 79 else 0.0)


def test_a_decision_that_is_not_traded_any_more_is_not_made() -> None:
    """The last session decides nothing at a lag of one; the history is too short where no decision can be traded."""
    asked: list[int] = []

    def decide(position: int, held: FloatArray) -> Portfolio:
        asked.append(position)
        return Portfolio(np.array([1.0, 0.0]))

    found = proved(np.ones((2, 63)), rules(), decide)
    assert asked == [59, 60, 61]
    assert len(found["oos_weights"]["date"].unique()) == 3
    with pytest.raises(DataError, match="no daily rebalance"):
        proved(np.ones((2, 60)), rules(), decide)


def test_every_some_sessions_counts_from_the_first_decision() -> None:
    """Twenty-one sessions lie between two decisions."""
    sessions = np.datetime64("2020-01-01", "D") + np.arange(150)
    assert schedule(sessions, rules(every=21), "prices").tolist() == [59, 80, 101, 122, 143]


def test_a_name_without_a_price_on_the_session_that_trades_is_kept() -> None:
    """It is not sold at a price that nobody paid; what is bought gives way to it."""
    close = np.ones((2, 70))
    close[0, 62] = np.nan

    def decide(position: int, held: FloatArray) -> Portfolio:
        return Portfolio(np.array([1.0, 0.0]) if position < 61 else np.array([0.0, 1.0]))

    found = proved(close, rules(), decide)["oos_returns"]["turnover"]
    assert found.iloc[2] == 0.0
    assert found.iloc[3] == pytest.approx(2.0)


def test_a_decision_is_given_what_is_held() -> None:
    """The incumbent has drifted to the close that decides, after what trades there; nothing at first."""
    close = np.ones((2, 70))
    close[0, 61:] = 2.0
    seen: list[list[float]] = []

    def decide(position: int, held: FloatArray) -> Portfolio:
        seen.append(held.tolist())
        return Portfolio(np.array([0.5, 0.5]))

    proved(close, rules(), decide)
    assert seen[:3] == [[0.0, 0.0], [0.5, 0.5], [0.5, 0.5]]
    close[0, 62:] = 3.0
    seen.clear()
    proved(close, rules(every=2), decide)
    np.testing.assert_allclose(seen[1], [2 / 3, 1 / 3])


def test_the_benchmark_pays_what_trading_costs() -> None:
    """Equal weight after costs earns less than before them."""
    rng = np.random.default_rng(3)
    close = np.exp(np.cumsum(rng.normal(0, 0.02, (4, 200)), axis=1))
    hold: Decide = lambda position, held: Portfolio(np.full(4, 0.25))  # noqa: E731
    free, dear = (proved(close, rules(commission_bps=bps), hold)["oos_returns"] for bps in (0.0, 20.0))
    assert (dear["equal_weight"] <= free["equal_weight"]).all()
    np.testing.assert_allclose(dear["equal_weight"], dear["net"], atol=1e-15)
