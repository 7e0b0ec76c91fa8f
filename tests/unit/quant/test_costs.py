"""What trading, shorts and cash cost: by name, by session, and the same night by night as all at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.quant.backtest import carried_returns, simulate
from quantflow.quant.costs import Cost, Costs, Rates
from quantflow.quant.held import carry

NAMES = ("A", "B", "C")
DEAR = Costs(1.0, 5.0, 50.0, 0.03, 252, {"A": Cost(cost_bps=2.0), "B": Cost(spread_bps=30.0, borrow_bps=900.0)})


@pytest.mark.parametrize(
    ("own", "bps"),
    [
        (Cost(), 6.0),
        (Cost(cost_bps=2.0), 2.0),
        (Cost(spread_bps=8.0), 5.0),
        (Cost(cost_bps=2.0, spread_bps=8.0), 6.0),
        (Cost(cost_bps=0.0), 0.0),
        (Cost(borrow_bps=9.0), 6.0),
    ],
)
def test_what_a_name_costs_to_trade(own: Cost, bps: float) -> None:
    """Its cost stands for commission and slippage, half its spread for slippage alone; the rest is as for any name."""
    rates = Costs(1.0, 5.0, own={"X": own}).rates(["X", "Y"])
    np.testing.assert_allclose(rates.trade, [bps * 1e-4, 6e-4], rtol=1e-15)


def test_without_costs_of_their_own_names_share_a_number() -> None:
    """A file that names none of them changes no bit."""
    beside, none = (Costs(1.0, 5.0, own=own).rates(["Y"]) for own in ({"X": Cost(1.0)}, {}))
    assert beside.trade == none.trade == 6.0 * 1e-4


def test_each_name_pays_its_own_rate() -> None:
    """A trade of half in each of two names costs half of each rate."""
    found = simulate(np.zeros((2, 2)), np.array([0]), np.array([[0.5, 0.5]]), Rates(np.array([0.001, 0.01])))
    assert found.cost[0] == pytest.approx(0.0055)
    assert found.turnover[0] == 1.0


def test_a_short_pays_to_borrow_each_session() -> None:
    """A year short of half the wealth at 252 bps costs 1 bp of that half in each session after the trade."""
    rates = Costs(borrow_bps=252.0).rates(["A"])
    found = simulate(np.zeros((1, 4)), np.array([1]), np.array([[-0.5]]), rates)
    np.testing.assert_allclose(found.gross, 0.0, rtol=0, atol=1e-15)
    assert found.cost[0] == 0.0
    assert found.cost[1] == pytest.approx(0.5e-4, rel=1e-12)
    assert found.net[1] == pytest.approx(-0.5e-4, rel=1e-12)
    assert (simulate(np.zeros((1, 4)), np.array([1]), np.array([[0.5]]), rates).cost == 0.0).all()


def test_cash_earns_its_rate_and_debt_pays_it() -> None:
    """A year half in cash at 2 % earns 1 % of wealth; at twice the wealth it owes as much again."""
    rates = Costs(cash_rate=0.02).rates(["A"])
    half, all_in, twice = (
        simulate(np.zeros((1, 253)), np.array([0]), np.array([[weight]]), rates) for weight in (0.5, 1.0, 2.0)
    )
    assert np.prod(1 + half.net) == pytest.approx(1 + 0.5 * ((1 + 0.02 / 252) ** 252 - 1), rel=1e-12)
    assert np.prod(1 + half.net) == pytest.approx(1.0101, abs=1e-5)
    assert (all_in.net == 0.0).all()
    assert np.prod(1 + twice.net) == pytest.approx(1 - ((1 + 0.02 / 252) ** 252 - 1), rel=1e-12)


def test_short_proceeds_earn_interest() -> None:
    """Long and short of equal size leave all wealth in cash: what is earned is the rate less the fee, the rebate."""
    rates = Costs(cash_rate=0.0252, borrow_bps=252.0).rates(["A", "B"])
    found = simulate(np.zeros((2, 2)), np.array([0]), np.array([[0.5, -0.5]]), rates)
    assert found.gross[1] == pytest.approx(1e-4)
    assert found.net[1] == pytest.approx(1e-4 - 0.5e-4)


def account(returns: np.ndarray, plan: dict[int, np.ndarray], costs: Costs) -> np.ndarray:
    """Wealth of an account that counts units and money, session by session."""
    rates = costs.rates(NAMES)
    price, units, money = np.ones(3), np.zeros(3), 1.0
    wealth = []
    for t in range(min(plan), returns.shape[1]):
        if t > min(plan):
            fee = float((np.broadcast_to(rates.borrow, 3) * np.maximum(-units * price, 0.0)).sum())
            money = money * (1 + rates.cash) - fee
            price = price * (1 + returns[:, t])
        if t in plan:
            before = money + units @ price
            bill = float((np.abs(plan[t] * before - units * price) * rates.trade).sum())
            units = plan[t] * (before - bill) / price
            money = before - bill - units @ price
        wealth.append(money + units @ price)
    return np.array(wealth)


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_an_account_that_counts_money_agrees(seed: int) -> None:
    """Weights that drift, with costs by name, fees and interest, give the wealth of units and money."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.02, (3, 40))
    when = np.sort(rng.choice(40, 4, replace=False))
    targets = rng.uniform(-0.6, 0.6, (4, 3))
    found = simulate(returns, when, targets, DEAR.rates(NAMES))
    expected = account(returns, dict(zip(when.tolist(), targets, strict=True)), DEAR)
    np.testing.assert_allclose(np.cumprod(1 + found.net), expected, rtol=1e-10)


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_night_by_night_is_what_the_walk_forward_charges(seed: int) -> None:
    """Own costs, fees and interest of forty nights, each carried from the one before, are those of one simulation."""
    rng = np.random.default_rng(seed)
    close = np.exp(np.cumsum(rng.normal(0.0, 0.02, (3, 60)), axis=1))
    close[1, 30:33] = np.nan
    plan = {20: {"A": 0.5, "B": -0.4}, 31: {"B": -0.2, "C": 0.7}, 44: {"A": -0.3, "C": 0.6}}
    targets = np.array([[each.get(name, 0.0) for name in NAMES] for each in plan.values()])
    returns, able = carried_returns(close), np.isfinite(close)
    whole = simulate(returns, np.array(list(plan)), targets, DEAR.rates(NAMES), able)
    held: dict[str, float] = {}
    nights = []
    for at in range(20, 60):
        trades = {1: plan[at]} if at in plan else {}
        step = carry(held, trades, NAMES, returns[:, at : at + 1], able[:, at - 1 : at + 1], DEAR)
        held = dict(step.held)
        nights.append([step.earned.net[1], step.earned.cost[1], step.earned.turnover[1]])
    nights[0][0] -= DEAR.rates(NAMES).cash * (1 - nights[0][1])  # an empty book is cash; the walk-forward begins here
    np.testing.assert_allclose(nights, np.array([whole.net, whole.cost, whole.turnover]).T, rtol=0, atol=1e-14)


def test_a_trade_at_the_close_before_pays_no_session() -> None:
    """Where no time passes there is neither interest nor fee."""
    found = carry({"A": -0.5}, {0: {"A": -0.4}}, ("A",), np.ones((1, 0)), np.ones((1, 1), dtype=bool), DEAR)
    assert found.earned.gross.tolist() == [0.0]
    assert found.earned.cost[0] == pytest.approx(0.1 * 2e-4)


def test_wealth_that_is_gone_earns_no_interest() -> None:
    """A portfolio that has lost all is closed; nothing grows from nothing."""
    rates = Costs(cash_rate=0.5).rates(["A"])
    found = simulate(np.array([[0.0, 2.0, 0.0, 0.0]]), np.array([0]), np.array([[-1.0]]), rates)
    assert found.net.tolist() == [0.0, -1.0, 0.0, 0.0]
