from __future__ import annotations

import numpy as np
import pytest

from quantflow.errors import DataError
from quantflow.quant.backtest import Simulation, carried_returns, decision_sessions, equal_weights, simulate
from quantflow.quant.costs import Rates


def days(first: str, count: int) -> np.ndarray:
    """Dates from the first one on."""
    return np.datetime64(first, "D") + np.arange(count)


def test_buy_and_hold_earns_the_asset() -> None:
    """All capital in one asset earns that asset's returns from the session after the entry."""
    returns = np.random.default_rng(0).normal(0, 0.02, (2, 30))
    found = simulate(returns, np.array([4]), np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(found.net, np.append(0.0, returns[1, 5:]), atol=1e-14)


def test_rebalancing_one_asset_changes_nothing() -> None:
    """Rebalancing a fully invested single asset trades nothing and earns the asset."""
    returns = np.random.default_rng(0).normal(0, 0.02, (1, 30))
    found = simulate(returns, np.array([0, 10, 20]), np.ones((3, 1)), rates=Rates(1e-3))
    np.testing.assert_allclose(found.turnover[1:], 0.0, atol=1e-14)
    np.testing.assert_allclose(found.gross, np.append(0.0, returns[0, 1:]), atol=1e-14)


def test_costs_are_charged_on_the_rebalance_session() -> None:
    """Entry trades sum |target|, a full switch trades 2; each costs its turnover in basis points that session."""
    returns = np.zeros((2, 6))
    found = simulate(returns, np.array([1, 3]), np.array([[1.0, 0.0], [0.0, 1.0]]), rates=Rates(1e-3))
    assert found.turnover.tolist() == [1.0, 0.0, 2.0, 0.0, 0.0]
    np.testing.assert_allclose(found.cost, [0.001, 0, 0.002, 0, 0], atol=1e-18)
    np.testing.assert_allclose(found.net, -found.cost, atol=1e-18)


def test_trading_happens_at_the_close() -> None:
    """The rebalance session's own return belongs to the old portfolio."""
    returns = np.array([[0.0, 0.0, 0.5], [0.0, 0.1, 0.2]])
    found = simulate(returns, np.array([0, 1]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(found.gross, [0.0, 0.0, 0.2], atol=1e-15)


def test_a_short_grows_when_its_price_rises() -> None:
    """A short of 50 % whose price doubles is 100 % of the wealth that is left, and is traded back from there."""
    returns = np.array([[0.0, 1.0, 0.0]])
    found = simulate(returns, np.array([0, 1]), np.array([[-0.5], [-0.5]]))
    assert found.gross[1] == pytest.approx(-0.5)
    assert found.turnover[1] == pytest.approx(abs(-0.5 - (-1.0 / 0.5)))


def test_a_name_that_ends_earns_nothing_until_the_next_rebalance() -> None:
    """After its last price a held name stands still, and its value can be reinvested."""
    close = np.array([[1.0, 2.0, np.nan, np.nan, np.nan], [1.0, 1.0, 1.0, 1.0, 2.0]])
    found = simulate(carried_returns(close), np.array([0, 3]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(found.gross, [0.0, 1.0, 0.0, 0.0, 1.0])


def test_a_hole_delays_a_move_and_loses_none() -> None:
    """The return over a hole arrives with the next price; before the first return there is NaN."""
    found = carried_returns(np.array([[np.nan, 1.0, np.nan, 1.1, 1.1]]))
    np.testing.assert_allclose(found, [[np.nan, np.nan, 0.0, 0.1, 0.0]], atol=1e-15)


def test_ruin_ends_at_minus_one() -> None:
    """A portfolio that loses more than it has stops at -100 %, whatever later rebalances say."""
    returns = np.array([[0.0, 0.5, 1.0, 0.3, 0.3, 0.3]])
    found = simulate(returns, np.array([0, 4]), np.array([[-1.0], [-1.0]]))
    np.testing.assert_allclose(found.gross, [0.0, -0.5, -1.0, 0.0, 0.0, 0.0])
    assert found.turnover[4] == 0.0


@pytest.mark.parametrize(
    ("rebalance", "ends"),
    [("weekly", ["2024-03-24", "2024-03-31"]), ("monthly", ["2024-03-31"]), ("quarterly", ["2024-03-31"])],
)
def test_periods_end_with_their_last_session(rebalance: str, ends: list[str]) -> None:
    """Weeks end on Sunday, months and quarters on their last session; the grid's last session ends none."""
    sessions = days("2024-03-20", 18)
    assert sessions[decision_sessions(sessions, rebalance)].astype(str).tolist()[: len(ends)] == ends
    assert len(sessions) - 1 not in decision_sessions(sessions, rebalance)


def test_periods_end_before_a_missing_month_end() -> None:
    """When the last days of a month have no session, the month ends with the last one that has."""
    sessions = np.array(["2024-04-26", "2024-04-29", "2024-05-02", "2024-06-03"], dtype="datetime64[D]")
    assert decision_sessions(sessions, "monthly").tolist() == [1, 2]
    assert decision_sessions(sessions, "quarterly").tolist() == []


def test_equal_weights_only_hold_what_lives() -> None:
    """Each row spreads 1 over the names alive; a row without any is cash."""
    alive = np.array([[True, True, False], [False, False, False]])
    assert equal_weights(alive).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("rebalances", "targets", "returns"),
    [
        ([], np.empty((0, 1)), np.zeros((1, 3))),
        ([1, 1], np.ones((2, 1)), np.zeros((1, 3))),
        ([3], np.ones((1, 1)), np.zeros((1, 3))),
        ([0], np.ones((1, 2)), np.zeros((1, 3))),
        ([0], np.full((1, 1), np.nan), np.zeros((1, 3))),
        ([0], np.ones((1, 1)), np.full((1, 3), -1.5)),
    ],
)
def test_impossible_inputs_are_refused(rebalances: list[int], targets: np.ndarray, returns: np.ndarray) -> None:
    """Wrong shapes, unordered or outlying rebalances, NaN targets and losses above 100 % raise."""
    with pytest.raises(DataError):
        simulate(returns, np.array(rebalances, dtype=int), targets)


def test_a_cost_of_all_wealth_is_refused() -> None:
    """A trade that costs more than there is raises."""
    with pytest.raises(DataError, match="costs all wealth"):
        simulate(np.zeros((1, 2)), np.array([0]), np.array([[10.0]]), rates=Rates(0.1))


def test_decisions_may_be_daily_or_every_some_sessions() -> None:
    """The first session of the grid is one of them, and a longer history decides on the same sessions."""
    sessions = days("2024-03-20", 10)
    assert decision_sessions(sessions, "daily").tolist() == list(range(10))
    assert decision_sessions(sessions, 4).tolist() == [0, 4, 8]
    assert decision_sessions(days("2024-03-20", 12), 4).tolist() == [0, 4, 8]


def test_the_incumbent_has_drifted_to_the_close_that_decides() -> None:
    """Whatever is traded later; looking at it changes nothing."""
    returns = np.array([[0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    walk = Simulation(returns)
    np.testing.assert_array_equal(walk.drifted(1), [0.0, 0.0])
    walk.trade(1, np.array([0.5, 0.5]))
    np.testing.assert_allclose(walk.drifted(1), [0.5, 0.5])
    np.testing.assert_allclose(walk.drifted(3), [2 / 3, 1 / 3])
    np.testing.assert_allclose(walk.drifted(2), [2 / 3, 1 / 3])
    walk.trade(3, np.array([0.0, 1.0]))
    assert walk.result().turnover[2] == pytest.approx(4 / 3)


def test_the_past_of_a_trade_cannot_be_asked_for() -> None:
    """The incumbent of a session before the last trade is not known any more."""
    walk = Simulation(np.zeros((1, 5)))
    walk.trade(3, np.array([1.0]))
    with pytest.raises(DataError, match="has traded at session 3"):
        walk.drifted(2)


def test_a_name_without_a_price_is_kept_and_the_others_give_way() -> None:
    """It cannot be sold where nobody trades it; together they stay within the target's gross weight."""
    walk = Simulation(np.zeros((3, 6)))
    walk.trade(0, np.array([0.6, 0.4, 0.0]))
    walk.trade(2, np.array([0.0, 0.5, 0.5]), tradable=np.array([False, True, True]))
    np.testing.assert_allclose(walk.drifted(2), [0.6, 0.2, 0.2])
    walk.trade(4, np.array([0.0, 0.5, 0.5]), tradable=np.array([True, True, True]))
    np.testing.assert_allclose(walk.drifted(4), [0.0, 0.5, 0.5])
    np.testing.assert_allclose(walk.result().turnover, [1.0, 0.0, 0.4, 0.0, 1.2, 0.0])


def test_a_name_without_a_price_is_not_bought() -> None:
    """What was meant for it stays in cash."""
    walk = Simulation(np.zeros((2, 4)))
    walk.trade(0, np.array([0.5, 0.5]), tradable=np.array([True, False]))
    np.testing.assert_allclose(walk.drifted(1), [0.5, 0.0])


def test_nothing_traded_is_no_result() -> None:
    """There is no first session to begin with."""
    with pytest.raises(DataError, match="no rebalance"):
        Simulation(np.zeros((1, 3))).result()
