from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from quantflow.config.profile import Profile
from quantflow.config.sections import AllocationConfig
from quantflow.data.panel import Panel
from quantflow.errors import InfeasibleError
from quantflow.pipeline.arrange import pipeline_of
from quantflow.stages.allocation import AllocationStage, AllocationStageConfig

SYMBOLS = ("A", "B", "C", "D", "E", "F")


def panel(sessions: int = 600) -> Panel:
    """Six symbols whose volatilities change halfway."""
    rng = np.random.default_rng(7)
    shocks = rng.normal(0.0004, 0.01, (6, sessions)) * np.arange(1, 7)[:, None] ** 0.5
    shocks[:3] += rng.normal(0, 0.01, sessions)
    shocks[:, : sessions // 2] *= np.arange(6, 0, -1)[:, None]
    days = np.datetime64("2020-01-01", "D") + np.arange(sessions)
    return Panel(SYMBOLS, days, {"close": np.cumprod(1 + np.clip(shocks, -0.3, 0.3), axis=1)})


def atoms(shorts: tuple[str, ...] = ()) -> pd.DataFrame:
    """One atom per symbol, in three clusters and three sectors."""
    rows = [
        {"symbol": s, "logic": "m", "direction": "SHORT" if s in shorts else "LONG", "cluster": 1 + i // 2}
        | {"sector": "xyz"[i % 3], "alpha_score": 0.9 - i / 10, "currency": "USD"}
        | {"tick": 0.01, "lot": 1.0, "min_notional": 0.0}
        for i, s in enumerate(SYMBOLS)
    ]
    ids = [f"{row['symbol']}_m_{row['direction']}" for row in rows]
    return pd.DataFrame(rows, index=pd.Index(ids, name="atom_id"))


def run(table: pd.DataFrame | None = None, prices: Panel | None = None, **options: Any) -> dict[str, Any]:
    """The stage's outputs under some options of its section."""
    config = AllocationStageConfig(allocation=AllocationConfig(**options))
    return dict(
        AllocationStage().run({"prices": prices or panel(), "atoms": atoms() if table is None else table}, config)
    )


def test_weights_are_signed_and_sorted() -> None:
    """Weights come largest first, shorts negative, summing in magnitude to the budget, with their atom's context."""
    found = run(atoms(shorts=("B", "E")))["weights"]
    assert list(found.columns) == ["weight", "atom_id", "direction", "cluster", "sector", "alpha_score"]
    assert found.index.name == "symbol"
    assert (found["weight"].abs().diff().dropna() <= 0).all()
    assert set(found.index[found["weight"] < 0]) == {"B", "E"}
    assert abs(found["weight"].abs().sum() - 1) < 1e-12
    assert found.loc["B", "atom_id"] == "B_m_SHORT"


def test_ties_are_broken_by_symbol() -> None:
    """Equal weights are listed in the order of their symbols."""
    assert run(method="equal_weight")["weights"].index.tolist() == list(SYMBOLS)


def test_the_order_of_atoms_does_not_matter() -> None:
    """Shuffled atoms give the same weights to the last bit."""
    pd.testing.assert_frame_equal(run()["weights"], run(atoms().iloc[[3, 0, 5, 1, 4, 2]])["weights"], check_exact=True)


def test_a_short_hedges() -> None:
    """Minimum variance gives more to a short that offsets a long than to the same name held long."""
    long, short = (run(t, method="min_variance")["weights"]["weight"].abs() for t in (atoms(), atoms(shorts=("B",))))
    assert short["B"] > long.get("B", 0.0)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "equal_weight"},
        {"lookback": 100},
        {"budget": 0.5},
        {"max_weight": 0.2},
        {"min_weight": 0.15},
        {"max_cluster_weight": 0.4},
        {"max_sector_weight": 0.34},
    ],
)
def test_every_option_has_an_effect(options: dict[str, Any]) -> None:
    """Each option of the section changes the weights."""
    base, changed = (run(**o)["weights"]["weight"].sort_index() for o in ({}, options))
    assert not np.allclose(base, changed, atol=1e-4)


def test_limits_hold_per_cluster_and_sector() -> None:
    """Sums of |weight| per cluster and sector stay below their caps, shorts included, and binding limits are named."""
    outputs = run(atoms(shorts=("B",)), max_cluster_weight=0.4, max_sector_weight=0.36, max_weight=0.25)
    found = outputs["weights"]
    assert found["weight"].abs().groupby(found["cluster"]).sum().max() <= 0.4 + 1e-9
    assert found["weight"].abs().groupby(found["sector"]).sum().max() <= 0.36 + 1e-9
    assert set(outputs["allocation"]["binding"]) <= {"max_weight", "max_cluster_weight", "max_sector_weight"}
    assert outputs["allocation"]["binding"]


def test_fallbacks_are_recorded() -> None:
    """When the method fails the next fallback is used; the record lists both and why, as JSON."""
    outputs = run(prices=panel(40), method="min_variance", fallbacks=("min_variance", "hrp", "equal_weight"))
    record = outputs["allocation"]
    assert [step["method"] for step in record["chain"]] == ["min_variance", "hrp", "equal_weight"]
    assert (record["method"], record["used"]) == ("min_variance", "equal_weight")
    assert "39 sessions" in record["infeasible_because"]
    json.dumps(record, allow_nan=False)
    assert AllocationStage().summary({"atoms": atoms()}, outputs).degraded


def test_without_a_fallback_the_failure_is_infeasible() -> None:
    """An empty list of fallbacks leaves nothing to fall back to."""
    with pytest.raises(InfeasibleError, match="Every allocation method failed"):
        run(prices=panel(40), method="hrp", fallbacks=())


def test_infeasible_limits_name_the_smallest_relaxation() -> None:
    """Limits that no portfolio keeps raise, naming the limit and the value that it needs."""
    with pytest.raises(InfeasibleError, match=r"max_weight 0.1 x 6 names = 0.6 < budget 1; needs max_weight >= 0.1667"):
        run(max_weight=0.1)


def test_no_atoms_are_infeasible() -> None:
    """An empty table of atoms is infeasible, with caps on groups too."""
    with pytest.raises(InfeasibleError, match="nothing to allocate"):
        run(atoms().iloc[:0], max_cluster_weight=0.5)


def test_limits_in_the_wrong_order_are_refused() -> None:
    """A minimum above the maximum is a configuration error."""
    with pytest.raises(ValidationError, match="above max_weight"):
        AllocationConfig(min_weight=0.3, max_weight=0.2)


def test_summary_names_the_method() -> None:
    """A run without a fallback is not degraded and names its method and largest weight."""
    outputs = run(method="equal_weight")
    summary = AllocationStage().summary({"atoms": atoms()}, outputs)
    assert summary.note == "equal_weight, largest 16.7%"
    assert not summary.degraded


def test_one_name_holds_a_quarter_by_default() -> None:
    """One very calm name among nine would take most of minimum variance; it gets a quarter, and all of it when off."""
    assert AllocationConfig().largest(9) == AllocationConfig().largest(8) == 0.25
    assert AllocationConfig(budget=2.0).largest(9) == 0.5
    assert AllocationConfig.model_validate({"max_weight": "off"}).largest(9) == 1.0
    calm = panel()
    close = calm.close.copy()
    close[0] = 100.0 * (close[0] / 100.0) ** 0.02
    prices = Panel(calm.symbols, calm.sessions, {"close": close})
    held = {limit: run(prices=prices, method="min_variance", max_weight=limit)["weights"] for limit in ("auto", "off")}
    assert held["auto"]["weight"].max() == pytest.approx(AllocationConfig().largest(6))
    assert held["off"]["weight"].max() > 0.9


@pytest.mark.parametrize("names", range(1, 8))
def test_few_names_stay_feasible_by_default(names: int) -> None:
    """However few names are selected, the default limit can be kept, and leaves the method something to decide."""
    limit = AllocationConfig().largest(names)
    assert limit * names >= 1.0
    assert names <= 2 or limit * names >= 1.75
    assert abs(run(atoms().iloc[:names])["weights"]["weight"].sum() - 1.0) < 1e-12


def test_a_minimum_above_the_default_limit_wins() -> None:
    """A limit that was set is not contradicted by one that was not."""
    assert AllocationConfig(min_weight=0.6).largest(1) == 1.0
    assert AllocationConfig(min_weight=0.3).largest(9) == 0.3


def test_what_is_held_is_weighed_by_direction_and_budget() -> None:
    """At a prohibitive cost the weights are those held, short or long; a name held the other way round is no start."""
    table, day = atoms(shorts=("B", "E")), "monthly"
    held = {"A": 0.3, "B": -0.25, "C": 0.25, "D": 0.2, "E": -0.3, "F": 0.2}
    settings = {"allocation": {"method": "min_variance", "budget": 1.5, "max_weight": "off", "turnover_cost": 1000.0}}
    stage = AllocationStage().under(settings)
    assert stage.needs == ("prices", "atoms", "incumbent")
    config = stage.configured({**settings, "rebalance": {"every": day}, "calendar": {}})

    def weights(**changed: float) -> dict[str, float]:
        now = pd.DataFrame({"weight": {**held, **changed}})
        out = stage.run({"prices": panel(), "atoms": table, "incumbent": now}, config)
        return dict(out["weights"]["weight"])

    assert weights() == pytest.approx(held, abs=1e-6)
    assert weights(B=0.25)["B"] <= 0.0


def test_the_cost_is_spread_over_the_sessions_until_the_next_decision() -> None:
    """The same cost weighs less where the portfolio is left alone for longer."""
    settings = {"allocation": {"method": "min_variance", "max_weight": "off", "turnover_cost": 2.0}}
    stage, now = AllocationStage().under(settings), pd.DataFrame({"weight": dict.fromkeys(SYMBOLS, 1 / 6)})
    traded = []
    for every in ("daily", "weekly", "monthly", "quarterly", 2000):
        config = stage.configured({**settings, "rebalance": {"every": every}, "calendar": {}})
        out = stage.run({"prices": panel(), "atoms": atoms(), "incumbent": now}, config)["weights"]["weight"]
        traded.append(float((out.reindex(SYMBOLS, fill_value=0.0) - 1 / 6).abs().sum()))
    assert traded == sorted(traded)
    assert traded[0] < traded[2] < traded[-1]


def test_a_profile_without_the_cost_does_not_depend_on_what_is_held() -> None:
    """The stage is the one of always, and no stage of the pipeline makes or needs an incumbent."""
    plain, weighing = (
        Profile(name="x", allocation={"method": "min_variance", "turnover_cost": cost}).settings()
        for cost in (0.0, 5.0)
    )
    assert not any("incumbent" in (*stage.needs, *stage.makes) for stage in pipeline_of(plain))
    (maker,) = [stage for stage in pipeline_of(weighing) if "incumbent" in stage.makes]
    assert maker.id == "incumbent"
    assert [stage.id for stage in pipeline_of(weighing) if "incumbent" in stage.needs] == ["allocation"]


@pytest.mark.parametrize("method", ["equal_weight", "inverse_volatility", "risk_parity", "hrp"])
def test_methods_that_cannot_weigh_turnover_refuse_its_cost(method: str) -> None:
    """In words, naming those that can; nothing is ignored in silence."""
    with pytest.raises(
        ValidationError, match=f"the objective of {method} cannot weigh turnover_cost; those of min_var"
    ):
        AllocationConfig(method=method, turnover_cost=5.0)
    assert AllocationConfig(method=method).turnover_cost == 0.0
