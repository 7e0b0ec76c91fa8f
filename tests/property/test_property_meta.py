"""What holds for any sleeves: capital is conserved, order does not matter, limits are kept, nothing looks ahead."""

from __future__ import annotations

from math import fsum
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.config.meta import MetaAllocation, SleeveBounds
from quantflow.errors import InfeasibleError
from quantflow.pipeline.stage import StageConfig
from quantflow.quant.sleeves import join_streams, net_positions, risk_shares
from quantflow.stages.meta.flattening import FlatteningStage
from quantflow.stages.meta.optimisation import OptimisationStage, OptimisationStageConfig

SYMBOLS = [f"S{i}" for i in range(8)]
WEIGHT = st.floats(-1.0, 1.0).map(lambda x: round(x, 6))


@st.composite
def books(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Books of up to six sleeves over eight symbols, and the sleeves' weights."""
    names = [f"sleeve{i}" for i in range(draw(st.integers(1, 6)))]
    rows = [
        (name, symbol, draw(WEIGHT), draw(st.sampled_from(["Tech", "Energy", ""])))
        for name in names
        for symbol in draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=8, unique=True))
    ]
    capital = [draw(st.floats(0.0, 2.0)) for _ in names]
    frame = pd.DataFrame(rows, columns=["sleeve", "symbol", "weight", "sector"])
    return frame, pd.DataFrame({"weight": capital}, index=pd.Index(names, name="sleeve"))


def flatten(frame: pd.DataFrame, capital: pd.DataFrame) -> dict[str, Any]:
    """Return the flattening stage's outputs."""
    return dict(FlatteningStage().run({"sleeve_books": frame, "sleeve_weights": capital}, StageConfig()))


@settings(max_examples=60)
@given(books())
def test_flattening_conserves_weight(case: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """Net equals the sum of contributions, and gross before netting that of the books, within 1e-12; so per symbol."""
    frame, capital = case
    found = flatten(frame, capital)
    weights, parts = found["weights"], found["contributions"]
    scaled = [float(w) * float(capital.loc[s, "weight"]) for s, w in zip(frame["sleeve"], frame["weight"], strict=True)]
    assert abs(fsum(weights["weight"]) - fsum(parts["weight"])) < 1e-12
    assert abs(fsum(parts["weight"]) - fsum(scaled)) < 1e-12
    gross = fsum(frame["weight"].abs().groupby(frame["sleeve"]).sum() * capital["weight"])
    assert abs(fsum(parts["weight"].abs()) - gross) < 1e-12
    for symbol, rows in parts.groupby("symbol"):
        net = float(weights["weight"].get(symbol, 0.0))
        assert abs(net - fsum(rows["weight"])) < 1e-14
    assert (weights[["long", "short"]] >= 0).all().all()
    assert (weights["weight"] != 0).all()
    assert (np.diff(weights["weight"].abs()) <= 0).all()


@settings(max_examples=40)
@given(books(), st.randoms(use_true_random=False))
def test_flattening_is_the_same_in_any_order(case: tuple[pd.DataFrame, pd.DataFrame], random: Any) -> None:
    """Rows and sleeves in another order give the same net positions to the last bit."""
    frame, capital = case
    rows, names = list(range(len(frame))), list(capital.index)
    random.shuffle(rows)
    random.shuffle(names)
    first, second = flatten(frame, capital), flatten(frame.iloc[rows], capital.loc[names])
    columns = ["weight", "long", "short"]
    pd.testing.assert_frame_equal(first["weights"][columns], second["weights"][columns], check_exact=True)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 4)), min_size=1, max_size=30))
def test_netting_is_long_less_short(parts: list[tuple[float, int]]) -> None:
    """Parts are non-negative, and net is their difference or a clean zero."""
    values = np.array([value for value, _ in parts])
    net, long, short = net_positions(values, np.array([asset for _, asset in parts]), 5)
    assert (long >= 0).all()
    assert (short >= 0).all()
    assert ((net == long - short) | ((net == 0) & (np.abs(long - short) <= 1e-15 * (long + short)))).all()


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two to four streams on random days of one year."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    days, returns = [], []
    for _ in range(draw(st.integers(2, 4))):
        chosen = np.sort(rng.choice(365, draw(st.integers(1, 365)), replace=False))
        days.append(np.datetime64("2021-01-01", "D") + chosen)
        returns.append(rng.normal(0, 0.02, len(chosen)).clip(-0.9, 0.9))
    return days, returns


@settings(max_examples=60)
@given(streams())
def test_joining_keeps_wealth(case: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    """The joined sessions are the intersection, and each stream's growth between any two of them is kept."""
    days, returns = case
    joined, table = join_streams(days, returns)
    assert set(joined.tolist()) == set.intersection(*(set(d.tolist()) for d in days))
    assert (np.diff(joined) > np.timedelta64(0, "D")).all()
    if not len(joined):
        return
    for k, (own, values) in enumerate(zip(days, returns, strict=True)):
        span = (own > joined[0]) & (own <= joined[-1])
        np.testing.assert_allclose(np.prod(1 + table[1:, k]), np.prod(1 + values[span]), rtol=1e-12)
        assert table[0, k] == values[own == joined[0]][0]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_shares_of_risk_sum_to_one(seed: int, n: int) -> None:
    """Whatever the weights, shares sum to 1, and scaling all weights changes none."""
    rng = np.random.default_rng(seed)
    returns, weights = rng.normal(0, 0.01, (90, n)), rng.uniform(0, 1, n) + 0.01
    shares = risk_shares(returns, weights)
    assert shares.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(risk_shares(returns, 3 * weights), shares, atol=1e-12)


@st.composite
def divisions(draw: st.DrawFn) -> tuple[pd.DataFrame, OptimisationStageConfig]:
    """Streams of up to five sleeves, and a config whose limits need not be feasible."""
    n = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    values = rng.normal(0.0003, rng.uniform(0.002, 0.02, n), (120, n)) + rng.normal(0, 0.004, (120, 1))
    bound = st.sampled_from([None, 0.0, 0.1, 0.25])
    entries = [
        SleeveBounds(id=f"s{i}", min_weight=draw(bound), max_weight=draw(st.sampled_from([None, 0.25, 0.5, 1.0])))
        for i in range(n)
    ]
    method = draw(st.sampled_from(["equal_weight", "risk_parity", "hrp", "min_variance", "max_sharpe"]))
    allocation = MetaAllocation(method=method, lookback=60)
    config = OptimisationStageConfig(
        allocation=allocation, budget=draw(st.sampled_from([0.5, 1.0, 1.5])), sleeves=tuple(entries)
    )
    index = pd.DatetimeIndex(np.datetime64("2021-01-01", "D") + np.arange(120), name="date")
    return pd.DataFrame(values, index, [entry.id for entry in entries]), config


@settings(max_examples=60)
@given(divisions())
def test_a_division_keeps_the_limits_or_says_that_none_can(case: tuple[pd.DataFrame, OptimisationStageConfig]) -> None:
    """All of the budget is divided within each sleeve's limits; it is refused exactly when no division could be."""
    frame, config = case
    bounds = [entry.bounds(config.allocation, config.budget) for entry in config.sleeves]
    low, high = (np.array(side) for side in zip(*bounds, strict=True))
    possible = (low <= high).all() and low.sum() <= config.budget + 1e-12 and high.sum() >= config.budget - 1e-12
    if not possible:
        with pytest.raises(InfeasibleError):
            OptimisationStage().run({"streams": frame}, config)
        return
    weights = OptimisationStage().run({"streams": frame}, config)["sleeve_weights"]["weight"].to_numpy()
    assert abs(weights.sum() - config.budget) < 1e-12
    assert (weights >= low - 2e-9).all()
    assert (weights <= high + 2e-9).all()
