from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.quant.backtest import simulate
from quantflow.quant.costs import Rates
from quantflow.quant.metrics import max_drawdown, summarise, total_return

Case = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def markets(draw: st.DrawFn) -> Case:
    """Returns (N, T), rebalances and signed targets of gross at most 1."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, t = draw(st.integers(1, 5)), draw(st.integers(2, 40))
    returns = rng.normal(0, 0.03, (n, t))
    count = draw(st.integers(1, min(t, 6)))
    rebalances = np.sort(rng.choice(t, count, replace=False))
    targets = rng.uniform(-1, 1, (count, n))
    return returns, rebalances, targets / np.maximum(np.abs(targets).sum(axis=1, keepdims=True), 1.0)


def by_shares(case: Case, cost_bps: float) -> tuple[np.ndarray, np.ndarray]:
    """An account that holds units and cash, session by session: wealth after costs, and the amounts traded."""
    returns, rebalances, targets = case
    price, units, cash = np.ones(len(returns)), np.zeros(len(returns)), 1.0
    plan = dict(zip(rebalances.tolist(), targets, strict=True))
    wealth, traded = [], []
    for t in range(rebalances[0], returns.shape[1]):
        if t > rebalances[0]:
            price = price * (1 + returns[:, t])
        before = cash + units @ price
        amount = 0.0
        if t in plan:
            amount = np.abs(plan[t] * before - units * price).sum()
            after = before - amount * cost_bps / 1e4
            units = plan[t] * after / price
            cash = after - units @ price
        wealth.append(cash + units @ price)
        traded.append(amount / before)
    return np.array(wealth), np.array(traded)


@settings(max_examples=60)
@given(markets(), st.sampled_from([0.0, 5.0, 50.0]))
def test_weights_and_units_tell_the_same_story(case: Case, cost_bps: float) -> None:
    """Drifting weights give the wealth and turnover of an account that counts units and cash."""
    found = simulate(*case, Rates(cost_bps * 1e-4))
    wealth, traded = by_shares(case, cost_bps)
    np.testing.assert_allclose(np.cumprod(1 + found.net), wealth, rtol=1e-10)
    np.testing.assert_allclose(found.turnover, traded, rtol=1e-9, atol=1e-12)


@settings(max_examples=40)
@given(markets())
def test_without_costs_net_is_gross(case: Case) -> None:
    """Free trading makes net and gross the same bits, and costs never add wealth."""
    free = simulate(*case)
    assert free.net.tobytes() == free.gross.tobytes()
    paid = simulate(*case, Rates(1e-3))
    assert paid.gross.tobytes() == free.gross.tobytes()
    assert (paid.net <= free.net).all()


@settings(max_examples=40)
@given(markets(), st.integers(1, 39))
def test_the_past_does_not_depend_on_the_future(case: Case, cut: int) -> None:
    """Dropping later sessions leaves earlier returns as they were, to the last bit."""
    returns, rebalances, targets = case
    stop = max(int(rebalances[0]) + 1, min(cut, returns.shape[1]))
    kept = rebalances < stop
    whole = simulate(returns, rebalances, targets, Rates(5e-4))
    part = simulate(returns[:, :stop], rebalances[kept], targets[kept], Rates(5e-4))
    np.testing.assert_allclose(part.net, whole.net[: len(part.net)], rtol=0, atol=1e-15)


@settings(max_examples=60)
@given(st.lists(st.floats(-1.0, 3.0), min_size=1, max_size=60))
def test_no_figure_is_impossible(values: list[float]) -> None:
    """Drawdown lies in [0, 1], the hit rate too, and nobody loses more than all there is."""
    returns = np.array(values)
    assert 0.0 <= max_drawdown(returns) <= 1.0
    assert total_return(returns) >= -1.0
    found = summarise(returns, 252)
    assert found["cagr"] >= -1.0
    assert found["hit_rate"] is None or 0.0 <= found["hit_rate"] <= 1.0
    assert found["cvar_95"] <= 1.0
