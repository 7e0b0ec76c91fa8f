"""A walk-forward that shares its replays gives what it gives by itself, to the byte, and replays nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from quantflow import BasePipelineStage, Kind, StageConfig
from quantflow.config.load import load_profile
from quantflow.config.profile import Profile
from quantflow.data.artifacts import encode
from quantflow.data.cache import StageCache
from quantflow.data.panel import Panel
from quantflow.data.store import ArtifactStore
from quantflow.errors import InfeasibleError, StageError
from quantflow.pipeline.arrange import arranged, pipeline_of
from quantflow.pipeline.play import play
from quantflow.pipeline.sharing import Shelf, sharing
from quantflow.pipeline.stage import Inputs, Outputs, Stage
from quantflow.stages.features import FeaturesStage
from quantflow.stages.inference import InferenceStage
from quantflow.stages.replays import Past

NAMES = ("AAPL", "BAC", "GE", "KO", "MSFT", "XOM", "JPM", "PG")
FILE = f"""
[profiles.p.universe]
symbols = {list(NAMES)}
[profiles.p.data]
start = 2019-01-02
[profiles.p.features]
lookback = 128
momentum_long = 120
[profiles.p.clusters]
lookbacks = [63]
[profiles.p.policy]
min_winners = 2
[profiles.p.rebalance]
every = "quarterly"
[profiles.p.allocation]
lookback = 100
method = "inverse_volatility"
max_weight = "off"
[profiles.p.validation]
min_history = 200
"""
TABLE = """
[profiles.p.scores.weights]
ratings.score = 1.0
[profiles.p.tables.ratings]
path = "ratings.csv"
"""
AS_OF = "2021-12-30"
MADE = ("oos_returns", "oos_weights", "metrics", "exposures", "betas")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace with a small profile."""
    (tmp_path / "quantflow.toml").write_text(FILE.replace("'", '"'))
    return tmp_path


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A place for replays, of walk-forwards that were given the same."""
    return Shelf(StageCache(str(tmp_path / "c"), ArtifactStore(tmp_path / "s")), tmp_path / "l", _Same())


class _Same(dict[str, str]):
    """Stands for the hashes of what a walk-forward needs: the same for any name."""

    def __missing__(self, name: str) -> str:
        return "same"


@dataclass
class Walk:
    """A walk-forward of a profile, and which of its stages were replayed."""

    profile: Profile
    stages: Sequence[Stage] = ()
    replayed: list[str] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)

    def run(self, place: Shelf | None = None) -> dict[str, Any]:
        """Play the profile up to its walk-forward, and that with a shelf or without."""
        settings = {**self.profile.settings(), "as_of": AS_OF}
        stages = arranged(pipeline_of(settings), self.stages)
        pipeline = [stage.bound(stages) for stage in stages]
        until = next(i for i, stage in enumerate(pipeline) if stage.id == "validation")
        if not self.inputs:
            self.inputs.update(play(pipeline[:until], {"run": {}}, settings))
        walk: Any = pipeline[until]
        for stage in walk.chain:
            self._watch(stage)
        self.replayed.clear()
        with sharing(place) if place else nullcontext():
            return dict(play([walk], self.inputs, settings))

    def _watch(self, stage: Stage) -> None:
        replay = type(stage).replay

        def watched(inputs: Inputs, config: Any) -> Outputs:
            self.replayed.append(stage.id)
            return replay(stage, inputs, config)

        stage.replay = watched  # type: ignore[method-assign]

    def times(self) -> dict[str, int]:
        """How often each stage was replayed."""
        return {name: self.replayed.count(name) for name in dict.fromkeys(self.replayed)}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether walk-forwards are the same to the byte."""
    return all(encode(one[name])[0] == encode(other[name])[0] for name in MADE)


def walk(home: Path, *overrides: str, stages: Sequence[Stage] = ()) -> Walk:
    """The walk-forward of the profile with overrides."""
    return Walk(load_profile("p", workspace=home, overrides=overrides), stages)


class Doubled(FeaturesStage):
    """Features by rows in memory, of which sums over names are taken."""

    def run(self, inputs: Inputs, config: Any) -> Outputs:
        """Return the features with the mean of each name's."""
        frame = dict(super().run(inputs, config))["features"]
        rows = np.ascontiguousarray(frame.to_numpy())
        return {"features": pd.DataFrame(rows, frame.index, frame.columns, copy=False)}


class Summing(InferenceStage):
    """Scores by sums over features, whose last bits depend on the order in memory."""

    def run(self, inputs: Inputs, config: Any) -> Outputs:
        """Return the scores, with the sum as the score."""
        scores = dict(super().run(inputs, config))["scores"]
        total = np.nansum(inputs["features"].to_numpy(), axis=1) * 1e15 % 1.0
        return {"scores": scores.assign(score=total, rank=pd.Series(total).rank(method="first").astype(int).to_numpy())}


class Plain(InferenceStage):
    """Another class that does the same as the built-in one."""


class Odd(FeaturesStage):
    """Features with another column in each quarter."""

    def run(self, inputs: Inputs, config: Any) -> Outputs:
        """Return the features with a column that is called after the last month."""
        frame = dict(super().run(inputs, config))["features"]
        return {"features": frame.assign(**{f"m{inputs['prices'].sessions[-1]}"[:8]: 1.0})}


class Sometimes(FeaturesStage):
    """Finds nothing feasible in the summer of 2020."""

    def run(self, inputs: Inputs, config: Any) -> Outputs:
        """Return the features."""
        last = str(inputs["prices"].sessions[-1])
        if "2020-06" <= last < "2020-10":
            raise InfeasibleError(f"nothing on {last}")
        return super().run(inputs, config)


class Broken(FeaturesStage):
    """Fails in the summer of 2020."""

    def run(self, inputs: Inputs, config: Any) -> Outputs:
        """Return the features."""
        if str(inputs["prices"].sessions[-1]) == "2020-06-30":
            raise StageError("out of order")
        return super().run(inputs, config)


class Counting(BasePipelineStage[StageConfig]):
    """A record, no table, which nothing of the built-in stages needs."""

    id, kind, needs, makes, Config = "counting", Kind.COMPUTE, ("features",), ("facts",), StageConfig

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return how many names there are."""
        return {"facts": {"names": len(inputs["features"])}}


class Needing(InferenceStage):
    """Needs that record."""

    needs: ClassVar[tuple[str, ...]] = (*InferenceStage.needs, "facts")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("overrides", "stages"),
    [
        ((), ()),
        (("allocation.method=min_variance", "allocation.turnover_cost=5.0"), ()),
        (("policy.top_n=1", "rebalance.every=monthly", "rebalance.lag=3"), ()),
        ((), (Doubled(),)),
        ((), (Doubled(), Summing())),
        ((), (Summing(),)),
        ((), (Odd(),)),
        ((), (Sometimes(),)),
        ((), (Counting(), Needing())),
    ],
    ids=["demo", "incumbent", "lag", "by-rows", "sums-by-rows", "sums", "odd", "infeasible", "record"],
)
def test_shared_is_the_same_to_the_byte(
    overrides: tuple[str, ...], stages: tuple[Stage, ...], home: Path, shelf: Shelf
) -> None:
    """When it is the first to replay, and when it takes what another made; also where nothing can be kept."""
    found = walk(home, *overrides, stages=stages)
    alone, first, second = found.run(), found.run(shelf), found.run(shelf)
    assert same(alone, first)
    assert same(alone, second)


def test_dated_tables_are_shared(home: Path, shelf: Shelf) -> None:
    """What was known of a table at each rebalance is the same; another table is another walk-forward's."""
    days = pd.bdate_range("2019-01-02", AS_OF)[::10]
    rng = np.random.default_rng(2)
    rows = [(day.date(), name, rng.normal()) for day in days for name in NAMES]
    pd.DataFrame(rows, columns=["date", "symbol", "score"]).to_csv(home / "ratings.csv", index=False)
    (home / "quantflow.toml").write_text(FILE.replace("'", '"') + TABLE)
    found = walk(home)
    assert same(found.run(), found.run(shelf))
    assert same(found.run(), found.run(shelf))
    found.run(Shelf(shelf.cache, shelf.locks, _Same(tables="other")))
    assert found.times()["features"] > 0


def test_stages_are_replayed_once_for_walk_forwards_that_differ_later(home: Path, shelf: Shelf) -> None:
    """Policy and allocation choose among the same scores: what comes before is replayed for the first one alone."""
    first = walk(home)
    first.run(shelf)
    rebalances = first.times()["allocation"]
    assert rebalances > 4
    assert first.times() == dict.fromkeys(
        ("features", "inference", "clustering", "policy", "synthesis", "allocation"), rebalances
    )
    for line in ("policy.top_n=1", "allocation.method=equal_weight", "validation.commission_bps=9"):
        other = walk(home, line)
        other.run(shelf)
        assert other.times() == dict.fromkeys(("policy", "synthesis", "allocation"), rebalances)


@pytest.mark.parametrize(
    ("line", "again"),
    [
        ("clusters.max_clusters=3", ("clustering",)),
        ("features.momentum_long=100", ("features", "inference")),
        ("rebalance.every=monthly", ("features", "inference", "clustering")),
        ("validation.min_history=260", ("features", "inference", "clustering")),
    ],
)
def test_stages_are_replayed_again_where_theirs_differs(
    line: str, again: tuple[str, ...], home: Path, shelf: Shelf
) -> None:
    """Their own settings, what those before them made, and the rebalances; the result is that of no sharing."""
    walk(home).run(shelf)
    other = walk(home, line)
    alone = other.run()
    assert same(alone, other.run(shelf))
    assert set(other.times()) == {*again, "policy", "synthesis", "allocation"}


def test_stages_are_replayed_again_on_other_data(home: Path, shelf: Shelf) -> None:
    """What the walk-forward was given is part of what they depend on."""
    found = walk(home)
    found.run(shelf)
    found.run(Shelf(shelf.cache, shelf.locks, _Same(prices="other")))
    assert found.times()["features"] == found.times()["allocation"]


def test_another_class_in_the_place_of_a_stage_has_its_own(home: Path, shelf: Shelf) -> None:
    """Two stages of one id in one module are not taken for each other."""
    plain, summing = walk(home, stages=(Plain(),)), walk(home, stages=(Summing(),))
    alone = summing.run()
    plain.run(shelf)
    assert same(alone, summing.run(shelf))
    assert summing.times()["inference"] == summing.times()["allocation"]


def test_where_nothing_is_feasible_the_message_is_the_stage_s(home: Path, shelf: Shelf) -> None:
    """The rebalance is recorded with its reason, as without sharing; the others take what is shared."""
    found = walk(home, stages=(Sometimes(),))
    found.run(shelf)
    metrics = found.run(shelf)["metrics"]
    assert "nothing on 2020-06-30" in str(metrics)
    assert found.times()["features"] == 2


def test_what_a_stage_raises_ends_the_walk_forward(home: Path, shelf: Shelf) -> None:
    """As it does without sharing; what came before it stays."""
    found = walk(home, stages=(Broken(),))
    found.inputs.update(walk_inputs(home))
    for place in (None, shelf, shelf):
        with pytest.raises(StageError, match="out of order"):
            found.run(place)


def walk_inputs(home: Path) -> dict[str, Any]:
    """What the walk-forward of the profile is given."""
    plain = walk(home)
    plain.run()
    return plain.inputs


def test_what_a_stage_does_to_its_instruments_is_not_seen_at_another_date() -> None:
    """Their rows are kept from one rebalance to the next; each gets a copy."""
    days = np.arange("2021-01-01", "2021-01-05", dtype="datetime64[D]")
    prices = Panel(("A", "B"), days, {"close": np.ones((2, 4))})
    instruments = pd.DataFrame({"sector": ["x", "y"]}, index=pd.Index(["A", "B"], name="symbol"))
    past = Past(prices, instruments, {}, {}, None, dict.fromkeys((2, 3), np.ones(2, dtype=bool)))
    given = past.at(2)["instruments"]
    given.iloc[0, 0] = "changed"
    given["more"] = 1
    pd.testing.assert_frame_equal(past.at(3)["instruments"], instruments)
