"""Optimisation: capital among sleeves, within the limits of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.errors import InfeasibleError
from quantflow.stages.meta.optimisation import OptimisationStage

NAMES = ("calm", "wild", "mixed", "hedge")
METHODS = ("equal_weight", "risk_parity", "hrp", "min_variance", "max_sharpe")


def streams(sessions: int = 700) -> pd.DataFrame:
    """Four sleeves of rising volatility; the order of volatilities turns round in the second half."""
    rng = np.random.default_rng(11)
    scale = np.array([0.004, 0.012, 0.008, 0.006])
    noise = rng.normal(0.0004, 1.0, (sessions, 4)) * scale + rng.normal(0, 0.002, (sessions, 1))
    noise[: sessions // 2] *= np.array([4.0, 0.5, 1.0, 1.0])
    return pd.DataFrame(noise, pd.date_range("2019-01-01", periods=sessions, name="date"), list(NAMES))


def optimise(frame: pd.DataFrame | None = None, budget: float = 1.0, **options: Any) -> dict[str, Any]:
    """Return the stage's outputs; an option named after a sleeve holds that sleeve's own limits."""
    stage = OptimisationStage()
    own = {name: options.pop(name) for name in NAMES if name in options}
    sleeves = [{"id": name, "profile": "p", **own.get(name, {})} for name in NAMES]
    settings = {"allocation": options, "budget": budget, "sleeves": sleeves}
    inputs = {"streams": streams() if frame is None else frame}
    return dict(stage.run(inputs, stage.configured(settings)))  # type: ignore[arg-type]


def weights(**options: Any) -> dict[str, float]:
    """Return the weights by sleeve."""
    found = optimise(**options)["sleeve_weights"]["weight"]
    return {str(name): float(weight) for name, weight in found.items()}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [1.0, 0.6, 2.0])
def test_weights_sum_to_the_budget(method: str, budget: float) -> None:
    """Every method divides all of the budget, within 1e-12, in the order of the sleeves."""
    found = optimise(method=method, budget=budget)
    table = found["sleeve_weights"]
    assert table.index.name == "sleeve"
    assert tuple(table.index) == NAMES
    assert abs(table["weight"].sum() - budget) < 1e-12
    assert found["meta_allocation"]["used"] == method


def test_equal_weight_and_risk_parity_are_what_they_say() -> None:
    """Equal parts; and equal contributions to risk over the lookback."""
    assert weights(method="equal_weight") == dict.fromkeys(NAMES, 0.25)
    found = np.array(list(weights(method="risk_parity", covariance="empirical").values()))
    covariance = np.cov(streams().iloc[-504:].T)
    shares = found * (covariance @ found)
    np.testing.assert_allclose(shares / shares.sum(), 0.25, atol=1e-4)


def test_only_the_last_lookback_sessions_count() -> None:
    """What came before the lookback changes nothing; a longer lookback does."""
    short = weights(method="min_variance", lookback=300)
    assert short == weights(frame=streams().iloc[-300:], method="min_variance")
    assert short["calm"] > weights(method="min_variance", lookback=700)["calm"]


@pytest.mark.parametrize("method", METHODS)
def test_limits_of_the_section_hold_for_every_sleeve(method: str) -> None:
    """No sleeve is outside the section's limits."""
    found = weights(method=method, min_weight=0.15, max_weight=0.35)
    assert min(found.values()) >= 0.15 - 1e-9
    assert max(found.values()) <= 0.35 + 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_a_sleeves_own_limits_hold_for_it_alone(method: str) -> None:
    """A sleeve's own limits replace the section's for that sleeve."""
    found = weights(
        method=method, max_weight=0.4, wild={"min_weight": 0.5, "max_weight": 0.6}, calm={"max_weight": 0.05}
    )
    assert 0.5 - 1e-9 <= found["wild"] <= 0.6 + 1e-9
    assert found["calm"] <= 0.05 + 1e-9
    assert max(found["mixed"], found["hedge"]) <= 0.4 + 1e-9


def test_limits_that_bind_are_named() -> None:
    """The record says which kind of limit the weights touch."""
    assert optimise(method="min_variance", wild={"min_weight": 0.3})["meta_allocation"]["binding"] == ["min_weight"]
    assert optimise(method="equal_weight")["meta_allocation"]["binding"] == []


def test_a_method_that_fails_falls_back_and_says_so() -> None:
    """Sleeves that only lose have no maximum Sharpe ratio: the next method is used, recorded, and the run degraded."""
    falling = streams() * 0.01 - 0.01
    found = optimise(frame=falling, method="max_sharpe", fallbacks=("min_variance", "equal_weight"))
    chain = found["meta_allocation"]["chain"]
    assert [(c["method"], c["outcome"]) for c in chain] == [("max_sharpe", "failed"), ("min_variance", "used")]
    assert found["meta_allocation"]["infeasible_because"]
    summary = OptimisationStage().summary({}, found)
    assert summary.degraded
    assert "min_variance instead of max_sharpe" in summary.note


def test_without_fallbacks_a_failure_ends_the_run() -> None:
    """With no fallback the error names each method and its reason."""
    with pytest.raises(InfeasibleError, match="max_sharpe: "):
        optimise(frame=streams() * 0.01 - 0.01, method="max_sharpe", fallbacks=())


def test_a_missing_sleeve_leaves_its_part_to_the_others() -> None:
    """The budget is divided among the sleeves that have a stream; limits of a missing one do not count."""
    left = streams()[["calm", "hedge"]]
    found = weights(frame=left, method="equal_weight", wild={"min_weight": 0.5})
    assert found == {"calm": 0.5, "hedge": 0.5}


def test_limits_that_the_sleeves_left_cannot_keep_are_named() -> None:
    """When too few sleeves are left for the limits, the error tells the sums and speaks of sleeves."""
    with pytest.raises(InfeasibleError) as caught:
        weights(frame=streams()[["calm", "hedge"]], method="hrp", max_weight=0.3)
    assert "the max_weight of 2 names sum to 0.6 < budget 1" in caught.value.message
    assert "sleeves" in str(caught.value.hint)
    assert caught.value.context["because"]


def test_one_sleeve_takes_all() -> None:
    """A portfolio of one sleeve is that sleeve."""
    assert weights(frame=streams()[["wild"]], budget=0.8) == {"wild": 0.8}


def test_same_bytes_twice_and_inputs_untouched() -> None:
    """The same streams give the same bits, and are not changed."""
    frame = streams()
    before = frame.copy()
    first, second = (optimise(frame=frame, method="risk_parity")["sleeve_weights"] for _ in range(2))
    assert first["weight"].to_numpy().tobytes() == second["weight"].to_numpy().tobytes()
    pd.testing.assert_frame_equal(frame, before)


def test_the_summary_names_the_largest_sleeve() -> None:
    """The line says which method was used and which sleeve is the largest."""
    found = optimise(method="equal_weight", wild={"min_weight": 0.4})
    summary = OptimisationStage().summary({}, found)
    assert summary.note == "equal_weight, largest wild 40.0%"
    assert summary.entered == 4
    assert not summary.degraded
