from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.errors import InfeasibleError
from quantflow.quant.allocation import allocate
from quantflow.quant.limits import GroupCap, Limits, check_feasible

METHODS = ["equal_weight", "inverse_volatility", "min_variance", "max_sharpe", "risk_parity", "hrp"]


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, Limits]:
    """Returns (N, 120) with a common factor, and limits that need not be feasible."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, budget = draw(st.integers(1, 8)), draw(st.sampled_from([0.5, 1.0, 2.0]))
    returns = rng.normal(0.0003, 0.01, (n, 120)) + rng.normal(0, 0.01, 120) * rng.uniform(0, 2, (n, 1))
    groups = tuple(
        GroupCap(name, noun, np.unique(rng.integers(0, 3, n), return_inverse=True)[1], budget * draw(fractions))
        for name, noun in (("max_cluster_weight", "clusters"), ("max_sector_weight", "sectors"))
        if draw(st.booleans())
    )
    return returns, Limits(n, budget, budget * draw(st.sampled_from([0.0, 0.02])), budget * draw(fractions), groups)


fractions = st.sampled_from([0.2, 0.35, 0.5, 0.8, 1.0])


@settings(max_examples=60)
@given(problems(), st.sampled_from(METHODS))
def test_weights_keep_the_limits_or_say_that_none_can(case: tuple[np.ndarray, Limits], method: str) -> None:
    """Whatever the method, weights are within all limits and sum to the budget; else the limits are infeasible."""
    returns, limits = case
    try:
        check_feasible(limits)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            allocate(returns, limits, [method, "equal_weight"])
        return
    weights = allocate(returns, limits, [method, "equal_weight"]).weights
    slack = 2e-9 * limits.budget
    assert abs(weights.sum() - limits.budget) < 1e-12 * max(limits.budget, 1.0)
    assert weights.min() >= limits.low - slack
    assert weights.max() <= limits.high + slack
    assert (limits.matrix @ weights <= limits.caps + slack).all()


@settings(max_examples=30)
@given(problems(), st.sampled_from(METHODS), st.floats(0.5, 5.0))
def test_weights_scale_with_the_budget(case: tuple[np.ndarray, Limits], method: str, factor: float) -> None:
    """Multiplying the budget and all limits multiplies the weights."""
    returns, limits = case
    groups = tuple(GroupCap(g.name, g.noun, g.labels, g.cap * factor) for g in limits.groups)
    larger = Limits(limits.names, limits.budget * factor, limits.low * factor, limits.high * factor, groups)
    try:
        weights = allocate(returns, limits, [method, "equal_weight"]).weights
    except InfeasibleError:
        return
    scaled = allocate(returns, larger, [method, "equal_weight"]).weights
    np.testing.assert_allclose(scaled, weights * factor, atol=1e-6 * factor)
