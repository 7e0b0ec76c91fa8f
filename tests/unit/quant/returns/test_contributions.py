"""Contributions of names, against a book kept in money, session by session."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quantflow.quant.backtest import simulate
from quantflow.quant.costs import Rates
from quantflow.quant.returns.contributions import Contributions, contributions

N, S = 5, 400
TRADES = np.array([0, 30, 31, 200, 399])


def market(seed: int, short: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return returns, targets (some names short if asked) and where names can be traded."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0.0005, 0.02, (N, S))
    targets = rng.dirichlet(np.ones(N), len(TRADES))
    if short:
        targets[:, 1:3] *= -1.0
    tradable = rng.random((N, S)) > 0.2
    tradable[:, 0] = True
    return returns, targets, tradable


def found(rates: Rates, seed: int = 1, short: bool = False) -> tuple[Contributions, Any]:
    """Return contributions to a backtest, and the backtest."""
    returns, targets, tradable = market(seed, short)
    earned = simulate(returns, TRADES, targets, rates, tradable)
    return contributions(returns, earned.gross, earned.cost, TRADES, targets, tradable), earned


RATES = {"free": Rates(), "trade": Rates(0.001), "cash": Rates(0.001, 0.0, 0.0001)}


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("rates", RATES.values(), ids=RATES)
def test_names_costs_and_cash_add_up_to_the_growth(rates: Rates, short: bool) -> None:
    """Session by session and in all, to 1e-12; what no name earned is interest, and 0 without."""
    parts, earned = found(rates, 2, short)
    change = np.diff(np.concatenate([[1.0], np.cumprod(1.0 + earned.net)]))
    assert parts.names.sum(axis=0) + parts.cost + parts.rest == pytest.approx(change, abs=1e-12)
    total = parts.names.sum() + parts.cost.sum() + parts.rest.sum()
    assert total == pytest.approx(np.prod(1.0 + earned.net) - 1.0, abs=1e-12)
    if not rates.cash:
        assert parts.rest == pytest.approx(np.zeros(S), abs=1e-12)


def test_each_name_earns_on_the_money_in_it() -> None:
    """A ledger of money by name and of cash, moved by hand, has the same gains."""
    returns, targets, tradable = market(3)
    parts, _ = found(Rates(0.001), 3)
    money, cash, gains = np.zeros(N), 1.0, np.zeros((N, S))
    for t in range(S):
        gains[:, t] = money * returns[:, t]
        money = money + gains[:, t]
        if t not in TRADES.tolist():
            continue
        worth = money.sum() + cash
        target = targets[TRADES.tolist().index(t)] * worth
        kept = np.where(tradable[:, t], 0.0, money)
        wanted = np.where(tradable[:, t], target, 0.0)
        room = max(0.0, target.sum() - kept.sum())
        scale = room / wanted.sum() if wanted.sum() > room and kept.any() else 1.0
        after = kept + wanted * scale
        paid = 0.001 * np.abs(after - money).sum()
        share = 1.0 - paid / worth
        cash = (worth - after.sum()) * share
        money = after * share
    assert parts.names == pytest.approx(gains, abs=1e-10)
    assert parts.wealth[-1] == pytest.approx(money.sum() + cash, abs=1e-10)
    assert parts.held[:, -1] == pytest.approx(money / (money.sum() + cash), abs=1e-10)


def test_a_fund_that_loses_all_stays_at_nothing() -> None:
    """After a loss of everything names earn nothing, and the sum is the loss of all capital."""
    returns = np.array([[0.0, 0.1, -1.0, 0.5, 0.5]])
    earned = simulate(returns, np.array([0, 3]), np.array([[1.0], [1.0]]))
    parts = contributions(returns, earned.gross, earned.cost, np.array([0, 3]), np.array([[1.0], [1.0]]))
    assert parts.names.tolist() == [[0.0, pytest.approx(0.1), pytest.approx(-1.1), 0.0, 0.0]]
    assert parts.held[:, 3:].tolist() == [[0.0, 0.0]]
