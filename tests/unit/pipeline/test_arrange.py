"""The stages of a profile: where those of other packages come, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from quantflow import BasePipelineStage, Kind, Section, StageConfig
from quantflow.config import plugins
from quantflow.config.profile import Profile
from quantflow.data.panel import Panel
from quantflow.data.quality.roster import roster
from quantflow.errors import ConfigError, DataError
from quantflow.pipeline.arrange import arranged, pipeline_of
from quantflow.pipeline.code_version import code_version
from quantflow.pipeline.play import play
from quantflow.pipeline.registry import SELECTION, StageRegistry, plug_in
from quantflow.pipeline.replay import known_at, reach_of
from quantflow.stages.features import FeaturesStage
from quantflow.stages.inference import InferenceStage
from quantflow.stages.validation import ValidationStage
from quantflow.testing.stage_contract import market


class Tilt(Section):
    """Settings of the stages below."""

    factor: float = 1.0


class TiltConfig(StageConfig):
    """Their config."""

    tilt: Tilt


class Extra(BasePipelineStage[StageConfig]):
    """A stage that joins."""

    id, kind, needs, makes = "extra", Kind.COMPUTE, ("prices",), ("extra",)

    def run(self, inputs: Any, config: Any) -> Any:
        return {"extra": {"sessions": len(inputs["prices"].sessions)}}


class News(BasePipelineStage[StageConfig]):
    """A source: a network stage that cannot be replayed."""

    id, kind, needs, makes = "news", Kind.NETWORK, ("instruments",), ("news",)

    def run(self, inputs: Any, config: Any) -> Any:
        raise AssertionError("a walk-forward must not fetch")


class Alphabetical(InferenceStage):
    """Replaces inference: scores by name, and remembers what it was shown."""

    needs = ("features", "news", "extra")
    Config: ClassVar[type[StageConfig]] = TiltConfig
    shown: ClassVar[list[tuple[Any, int, float]]] = []

    def run(self, inputs: Any, config: Any) -> Any:
        names = sorted(inputs["features"].index)
        self.shown.append((inputs["news"]["date"].max(), inputs["extra"]["sessions"], config.tilt.factor))
        alpha = np.linspace(0.9, 0.1, len(names))
        columns = {"direction": "LONG", "score": np.log(alpha), "alpha_score": alpha, "rank": range(1, len(names) + 1)}
        return {"scores": pd.DataFrame(columns, index=pd.Index(names, name="symbol"))}


class Longer(FeaturesStage):
    """Overrides run, so that the reach of its base says nothing."""

    def run(self, inputs: Any, config: Any) -> Any:
        return super().run(inputs, config)


def fake(name: str, needs: str = "", makes: str = "", kind: Kind = Kind.COMPUTE) -> BasePipelineStage[Any]:
    body = {
        "id": name,
        "kind": kind,
        "needs": tuple(needs.split()),
        "makes": tuple(makes.split()),
        "run": lambda *_: {},
    }
    stage: BasePipelineStage[Any] = type(name, (BasePipelineStage,), body)()
    return stage


BASE = [
    fake("one", "", "a"),
    fake("two", "a", "b"),
    fake("three", "b a", "c"),
    fake("last", "c run", "d", Kind.CONTROL),
]


def ids(own: list[BasePipelineStage[Any]]) -> list[str]:
    return [stage.id for stage in arranged(BASE, own)]


def test_a_stage_of_the_same_id_takes_the_place() -> None:
    """A replacement stands where the built-in one stood."""
    mine = fake("two", "a", "b")
    assert arranged(BASE, [mine])[1] is mine
    assert ids([mine]) == ["one", "two", "three", "last"]


@pytest.mark.parametrize(
    ("own", "order"),
    [
        ([fake("x", "a", "x")], ["one", "x", "two", "three", "last"]),
        ([fake("x", "c", "x")], ["one", "two", "three", "x", "last"]),
        ([fake("x", "run", "x", Kind.CONTROL)], ["one", "two", "three", "last", "x"]),
        ([fake("x", "y", "x"), fake("y", "b", "y")], ["one", "two", "y", "x", "three", "last"]),
        ([fake("x", "a", "x"), fake("three", "b x", "c")], ["one", "two", "x", "three", "last"]),
        ([fake("two", "a z", "b"), fake("z", "", "z")], ["one", "z", "two", "three", "last"]),
    ],
)
def test_a_new_stage_comes_where_its_needs_and_makes_put_it(
    own: list[BasePipelineStage[Any]], order: list[str]
) -> None:
    """As soon as its needs are there, or right before the first that needs what it makes."""
    assert ids(own) == order


@pytest.mark.parametrize(
    ("own", "says", "hint"),
    [
        ([fake("x", "bb", "x")], "'x' needs 'bb', which no stage makes", "Did you mean 'b'?"),
        ([fake("two", "a", "other")], "'three' needs 'b', which no stage makes", "Known"),
        ([fake("x", "a", "b")], "'two' and 'x' both make 'b'", "id = 'two'"),
        ([fake("x", "y", "x"), fake("y", "x", "y")], "circle: x > y > x", "something else"),
        ([fake("one", "c", "a")], "circle: one > three > two > one", "something else"),
        ([fake("x", "x", "x")], "circle: x > x", "something else"),
        ([fake("x", "a", "x"), fake("x", "a", "y")], "have the id 'x'", "Take one out"),
    ],
)
def test_wiring_that_does_not_hold_is_told(own: list[BasePipelineStage[Any]], says: str, hint: str) -> None:
    """What is missing, made twice or circular is named, with what to do."""
    with pytest.raises(ConfigError) as caught:
        arranged(BASE, own)
    assert says in caught.value.message
    assert hint in str(caught.value.hint)


MODULE = """
from quantflow import BasePipelineStage, Kind
class Good(BasePipelineStage):
    id, kind, makes = "good", Kind.COMPUTE, ("x",)
    def run(self, inputs, config): return {"x": "1"}
class Kindless(Good):
    kind = "comput"
class Named(Good):
    id = "Bad Name"
class Idle(Good):
    makes = ()
class Reader(Good):
    needs = ("run",)
class Listed(Good):
    needs = ["prices"]
class Unfinished(BasePipelineStage):
    id, kind, makes = "u", Kind.COMPUTE, ("x",)
class Foreign:
    pass
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of a user beside a workspace."""
    (tmp_path / "stages_of_mine.py").write_text(MODULE)
    (tmp_path / "broken_of_mine.py").write_text("1 / 0")
    (tmp_path / "needy_of_mine.py").write_text("import nothing_of_mine")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    ("spec", "says", "hint"),
    [
        ("stages_of_mine:Kindless", "kind = 'comput' is not a kind", "Did you mean Kind.COMPUTE?"),
        ("stages_of_mine:Named", "id = 'Bad Name'", "small letters"),
        ("stages_of_mine:Idle", "makes nothing", "makes"),
        ("stages_of_mine:Reader", "needs 'run'", "Kind.CONTROL"),
        ("stages_of_mine:Listed", "not a tuple of artifact names", ""),
        ("stages_of_mine:Unfinished", "cannot be made", "implements run"),
        ("stages_of_mine:Foreign", "is not a stage", "BasePipelineStage"),
        ("stages_of_mine:Goood", "no class 'Goood' in stages_of_mine", "Did you mean 'Good'?"),
        ("stage_of_mine:Good", "there is no module 'stage_of_mine'", "Did you mean stages_of_mine?"),
        ("broken_of_mine:Good", "ZeroDivisionError", "Fix broken_of_mine"),
        ("needy_of_mine:Good", "needs a module that is not there: 'nothing_of_mine'", ""),
        ("god", "No installed package registers a stage named 'god'", "package.module:Class"),
    ],
)
def test_what_is_no_stage_is_refused(modules: None, spec: str, says: str, hint: str) -> None:
    """Each way to get a stage wrong has its words, before anything runs."""
    with pytest.raises(ConfigError) as caught:
        plug_in(spec)
    assert says in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_good_one_is_found(modules: None) -> None:
    """A class is found by its path."""
    assert plug_in("stages_of_mine:Good").id == "good"


def test_without_stages_of_others_it_is_the_built_in_pipeline() -> None:
    """A profile that names none has the nine stages, and they are the built-in ones."""
    stages = pipeline_of(Profile(name="test").settings())
    assert tuple(stage.id for stage in stages) == SELECTION
    assert [type(stage) for stage in stages] == [type(StageRegistry.get(name)) for name in SELECTION]


def bound(*own: BasePipelineStage[Any]) -> BasePipelineStage[Any]:
    stages = arranged([StageRegistry.get(name) for name in SELECTION], own)
    return next(stage for stage in stages if stage.id == "validation").bound(stages)


def test_the_walk_forward_replays_replacements_and_what_they_need() -> None:
    """It honours a replaced stage and one that joined, is given sources as they were known, and never fetches."""
    stage = bound(Extra(), News(), Alphabetical())
    chain = ["features", "extra", "inference", "clustering", "policy", "synthesis", "allocation"]
    assert [each.id for each in stage.chain] == chain  # type: ignore[attr-defined]
    assert stage.needs == ("prices", "instruments", "past", "roster", "news")
    assert "tilt" in stage.Config.model_fields
    prices = market(8, 700)
    fields = {"name": "n", "sector": "s", "currency": "USD", "exchange": "x"}
    instruments = pd.DataFrame(fields, index=pd.Index(prices.symbols, name="symbol"))
    inputs = {
        "prices": prices,
        "instruments": instruments,
        "past": Panel((), prices.sessions[:0], {"close": np.empty((0, 0))}),
        "roster": roster(instruments, prices.symbols, None),
        "news": pd.DataFrame({"date": pd.DatetimeIndex(prices.sessions), "tone": 1.0}),
    }
    sections = {
        "features": {"lookback": 252},
        "policy": {"min_winners": 1},
        "allocation": {"method": "equal_weight", "lookback": 252},
        "validation": {"min_history": 400},
        "rebalance": {"every": "quarterly"},
    }
    Alphabetical.shown.clear()
    settings = {**Profile(name="test", **sections).settings(), "tilt": {"factor": 3.0}}  # type: ignore[arg-type]
    made = stage.run(inputs, stage.configured(settings))
    decided = sorted(set(made["oos_weights"]["decided"]))
    assert [day for day, _, _ in Alphabetical.shown] == decided
    assert [count for _, count, _ in Alphabetical.shown] == [
        int(np.searchsorted(prices.sessions, np.datetime64(day, "D"))) + 1 for day in decided
    ]
    assert {factor for _, _, factor in Alphabetical.shown} == {3.0}
    assert "S00" in set(made["oos_weights"]["symbol"])
    assert code_version(stage) != code_version(ValidationStage())


def test_a_control_stage_cannot_be_replayed() -> None:
    """What reads the run cannot be part of a walk-forward."""
    control = fake("inference", "features run", "scores", Kind.CONTROL)
    with pytest.raises(ConfigError, match="control stage and makes 'scores'"):
        bound(control)


def test_an_inherited_reach_does_not_count() -> None:
    """A stage that overrides run may look further back than its base: it is given everything."""
    settings = Profile(name="test").settings()
    for stage, reach in ((FeaturesStage(), 505), (Longer(), None)):
        assert reach_of([stage], settings, ("prices",)) == reach


def test_a_source_is_cut_to_what_was_known() -> None:
    """A panel and a dated table hold nothing later than the date; what has no dates is refused."""
    prices = market(3, 100)
    day = prices.sessions[40]
    cut = known_at("panel", prices, day, ("S00", "S02"), 10)
    assert isinstance(cut, Panel)
    assert (cut.symbols, len(cut.sessions), cut.last_session) == (("S00", "S02"), 10, day)
    table = pd.DataFrame({"x": 1.0}, index=pd.DatetimeIndex(prices.sessions, name="date"))
    assert known_at("table", table, day, (), None).index.max() == pd.Timestamp(day)
    with pytest.raises(DataError, match="has no dates"):
        known_at("facts", pd.DataFrame({"x": [1.0]}), day, (), None)


def test_a_stage_may_say_what_it_is_in_its_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs, makes and Config are may be decided when the stage is made: section and wiring follow."""
    (tmp_path / "instance_of_mine.py").write_text(
        "from quantflow import BasePipelineStage, Kind, Section, StageConfig\n"
        "class Knob(Section):\n    turns: int = 2\n"
        "class KnobConfig(StageConfig):\n    knob: Knob\n"
        "class Made(BasePipelineStage):\n"
        "    id, kind = 'made', Kind.COMPUTE\n"
        "    def __init__(self):\n"
        "        self.needs, self.makes, self.Config = ('prices',), ('made',), KnobConfig\n"
        "    def run(self, inputs, config): return {'made': str(config.knob.turns)}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = "instance_of_mine:Made"
    assert plugins.own_sections([spec])["knob"](turns=3).model_dump() == {"turns": 3}
    settings = {**Profile(name="test").settings(), "pipeline": {"stages": [spec]}, "knob": {"turns": 3}}
    stage = next(stage for stage in pipeline_of(settings) if stage.id == "made")
    assert play([stage], {"prices": None}, settings)["made"] == "3"
