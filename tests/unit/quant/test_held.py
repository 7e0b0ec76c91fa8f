"""One book from session to session."""

from __future__ import annotations

import numpy as np
import pytest

from quantflow.quant.backtest import carried_returns, simulate
from quantflow.quant.costs import Costs, Rates
from quantflow.quant.held import Stretch, carry

NAMES = ("A", "B", "C")


def closes(sessions: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    close = np.exp(np.cumsum(rng.normal(0.0, 0.02, (3, sessions)), axis=1))
    close[1, 20:23] = np.nan
    return np.asarray(close)


def carried(
    held: dict[str, float], trades: dict[int, dict[str, float]], close: np.ndarray, sessions: int, bps: float
) -> Stretch:
    """Carry a portfolio over the last sessions of some closes."""
    returns, able = carried_returns(close)[:, -sessions:], np.isfinite(close[:, -sessions - 1 :])
    return carry(held, trades, NAMES, returns, able, Costs(bps))


def test_night_by_night_is_what_a_backtest_gives_at_once() -> None:
    """Returns, costs and turnover of forty nights, each carried from the one before, are those of one simulation."""
    close = closes(60)
    plan = {25: {"A": 0.5, "B": 0.5}, 33: {"B": 0.2, "C": 0.7}, 41: {"A": -0.3, "C": 0.6}}
    targets = np.array([[each.get(name, 0.0) for name in NAMES] for each in plan.values()])
    whole = simulate(carried_returns(close), np.array(list(plan)), targets, Rates(12e-4), np.isfinite(close))
    held: dict[str, float] = {}
    nets, turnovers = [], []
    for session in range(25, 60):
        trades = {1: plan[session]} if session in plan else {}
        stretch = carried(held, trades, close[:, : session + 1], 1, 12.0)
        held = dict(stretch.held)
        nets.append(stretch.earned.net[1])
        turnovers.append(stretch.earned.turnover[1])
    np.testing.assert_allclose(nets, whole.net, rtol=0, atol=1e-14)
    np.testing.assert_allclose(turnovers, whole.turnover, rtol=0, atol=1e-14)


def test_several_sessions_at_once_are_what_they_are_one_by_one() -> None:
    """A machine that was off for a week misses nothing, to the last bit."""
    close, held = closes(40), {"A": 0.4, "B": 0.6}
    week = carried(held, {3: {"C": 1.0}}, close, 5, 10.0)
    one_by_one = dict(held)
    nets = []
    for session in range(35, 40):
        trades = {1: {"C": 1.0}} if session == 37 else {}
        step = carried(one_by_one, trades, close[:, : session + 1], 1, 10.0)
        one_by_one = dict(step.held)
        nets.append(step.earned.net[1])
    assert week.earned.net[1:].tolist() == nets
    assert week.held == one_by_one


def test_a_name_that_the_prices_do_not_have_keeps_its_last_price() -> None:
    """It earns nothing and cannot be sold; the rest trades around it."""
    found = carry(
        {"A": 0.5, "GONE": 0.5}, {1: {"A": 1.0}}, ("A",), np.array([[0.1]]), np.ones((1, 2), dtype=bool), Costs()
    )
    assert found.earned.gross[1] == pytest.approx(0.05)
    assert found.held == pytest.approx({"GONE": 0.5 / 1.05, "A": 1 - 0.5 / 1.05})


def test_a_first_trade_at_the_close_itself_costs_there() -> None:
    """With no session in between, only what is traded counts."""
    found = carry({}, {0: {"A": 1.0}}, ("A",), np.ones((1, 0)), np.ones((1, 1), dtype=bool), Costs(10.0))
    assert found.earned.net.tolist() == [pytest.approx(-0.001)]
    assert found.held == {"A": 1.0}
