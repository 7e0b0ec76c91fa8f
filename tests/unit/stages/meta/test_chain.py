"""The meta stages one after the other, on sleeves that the real selection chain made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.config.data import DataConfig
from quantflow.config.load import load_meta
from quantflow.data.quality.history import quotes
from quantflow.data.quotes import joined
from quantflow.errors import ConfigError, StageError
from quantflow.pipeline.keys import fingerprint
from quantflow.pipeline.registry import META, SELECTION, StageRegistry
from quantflow.pipeline.stage import BasePipelineStage, Kind, SelectionContext, StageConfig, check_wiring
from quantflow.sdk import QuantSDK
from quantflow.stages.meta.gather import READ, GatherStage

QUICK = (
    "data.start=2018-01-01",
    "validation.min_history=504",
    "rebalance.every=quarterly",
    "execution.runner=local",
)
CHAIN = tuple(name for name in META if name != "meta.gather")
GIVEN = frozenset(GatherStage.makes)
SLEEVES = '[meta.pair]\nsleeves = [{ profile = "demo" }, { profile = "demo_reversion", max_weight = 0.5 }]\n'


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> SelectionContext:
    """Two demo sleeves, run and gathered: the context in which the first meta stage can run."""
    home = tmp_path_factory.mktemp("meta")
    (home / "quantflow.toml").write_text(SLEEVES, encoding="utf-8")
    meta = load_meta("pair", workspace=home, overrides=QUICK)
    sleeves, prices = [], []
    for sleeve in meta.sleeves:
        run = QuantSDK.context(str(sleeve.profile), workspace=home, overrides=QUICK)
        run = QuantSDK.run_pipeline(run, SELECTION[:-1])
        link = {"id": sleeve.id, "sleeve": sleeve.id, "profile": sleeve.profile, "kind": "profile", "pinned": False}
        result = {"config_hash": "h", "made_under": "h", "as_of": str(run.as_of), "run_id": run.run_id}
        made = {name: run.load(name) for name in READ}
        sleeves.append({**link, **result, "degraded": False, **made})
        data = DataConfig(**run.settings["data"])
        prices.append(quotes(run.load("prices"), run.load("past"), run.load("roster"), data))
    settings = {**meta.settings(), "as_of": run.as_of.isoformat()}
    context = SelectionContext("m1", "pair", run.as_of, settings, run.store_uri)
    store = context.store()
    values = GatherStage().run({"sleeves": sleeves, "failed": [], "quotes": joined(prices)}, StageConfig())
    return replace(context, artifacts={name: store.put(name, value) for name, value in values.items()})


@pytest.fixture(scope="module")
def done(gathered: SelectionContext) -> SelectionContext:
    """The same after all meta stages."""
    return QuantSDK.run_pipeline(gathered, CHAIN)


def test_the_registry_knows_the_meta_stages_in_order() -> None:
    """Each id gives the stage of that id; they come after the selection's; their wiring holds."""
    stages = [StageRegistry.get(name) for name in CHAIN]
    assert all(isinstance(stage, BasePipelineStage) for stage in stages)
    assert tuple(stage.id for stage in stages) == CHAIN
    assert [stage.kind for stage in stages] == [Kind.COMPUTE] * 4 + [Kind.CONTROL]
    known = StageRegistry.ids()
    assert known[known.index(META[0]) :][: len(META)] == META
    check_wiring(stages, GIVEN)
    with pytest.raises(ConfigError, match=r"'meta\.aggregation' needs"):
        check_wiring(stages)
    with pytest.raises(ConfigError) as caught:
        StageRegistry.get("meta.flatening")
    assert "'meta.flattening'" in str(caught.value.hint)


def test_streams_are_those_of_the_sleeves(gathered: SelectionContext, done: SelectionContext) -> None:
    """Sleeves of one market join without a change to any return."""
    streams, long = done.load("streams"), gathered.load("sleeve_streams")
    for name in ("demo", "demo_reversion"):
        np.testing.assert_array_equal(streams[name], long.loc[long["sleeve"] == name, "net"])


def test_capital_is_conserved(gathered: SelectionContext, done: SelectionContext) -> None:
    """The net book is what the sleeves hold times their weights; budget and gross survive within 1e-12."""
    capital, books = done.load("sleeve_weights")["weight"], gathered.load("sleeve_books")
    assert abs(capital.sum() - 1.0) < 1e-12
    assert capital["demo_reversion"] <= 0.5 + 1e-9
    scaled = books["weight"] * books["sleeve"].map(capital)
    expected = scaled.groupby(books["symbol"]).sum()
    weights = done.load("weights")
    pd.testing.assert_series_equal(
        weights["weight"].sort_index(), expected[expected.abs() > 1e-15], check_names=False, atol=1e-15, rtol=0
    )
    assert abs((weights["long"] + weights["short"]).sum() - scaled.abs().sum()) < 1e-12
    assert (books["direction"] == "SHORT").any()


def test_the_walk_forward_and_the_report_are_there(done: SelectionContext) -> None:
    """All artifacts are made, the page names both sleeves, and every stage has a line."""
    assert set(done.summaries) == set(CHAIN)
    assert done.load("metrics")["strategy"]["sessions"] == len(done.load("oos_returns"))
    assert all(name in done.load("report") for name in ("demo_reversion", "pair"))
    assert done.load("brief").startswith("pair as of ")


def test_same_gathered_sleeves_same_bytes(gathered: SelectionContext, done: SelectionContext) -> None:
    """A second run of the meta stages writes the same files, name by name."""
    again = QuantSDK.run_pipeline(replace(gathered, run_id="m1"), CHAIN)
    assert {name: ref.sha256 for name, ref in again.artifacts.items()} == {
        name: ref.sha256 for name, ref in done.artifacts.items()
    }


def keys(context: SelectionContext) -> dict[str, str]:
    """Return the cache key of each meta stage."""
    return {name: fingerprint(StageRegistry.get(name), "x", context.settings, context.artifacts).key for name in CHAIN}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"budget": 0.5}, {"meta.optimisation", "meta.validation"}),
        ({"allocation": {"method": "hrp"}}, {"meta.optimisation", "meta.validation"}),
        ({"validation": {"min_history": 300}}, {"meta.validation"}),
        ({"calendar": {"name": "24/7"}}, {"meta.validation"}),
        ({"report": {"top": 3}}, {"meta.report"}),
        ({"min_sleeves": 2}, set()),
        ({"allow_partial": True, "renormalise": "proportional"}, {"meta.aggregation"}),
        ({"execution": {"runner": "ray"}}, set()),
    ],
)
def test_a_setting_makes_only_its_own_stages_run_again(
    done: SelectionContext, change: dict[str, object], expected: set[str]
) -> None:
    """Which stages a changed setting concerns is what their configs declare; a sleeve's run id concerns none."""
    sleeves = [{**sleeve, "run_id": "another"} for sleeve in done.settings["sleeves"]]
    changed = replace(done, settings={**done.settings, "sleeves": sleeves, **change})
    before, after = keys(done), keys(changed)
    assert {name for name in CHAIN if before[name] != after[name]} == expected


def test_a_context_without_sleeves_says_what_is_missing(gathered: SelectionContext, tmp_path: Path) -> None:
    """Run by itself, the first meta stage says that nothing was gathered."""
    bare = replace(gathered, artifacts={}, store_uri=str(tmp_path))
    with pytest.raises(StageError, match="sleeve_streams"):
        QuantSDK.run_stage("meta.aggregation", bare)
