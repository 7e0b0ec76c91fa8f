"""Stages are played over values in memory by one function."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from quantflow.config.profile import Profile
from quantflow.errors import ConfigError
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.play import in_the_background, play, played
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, step, step_runner
from quantflow.stages.validation import ValidationStage


class Adds(BasePipelineStage[StageConfig]):
    """Adds a letter to a text; what it is, is said by its instances."""

    def __init__(self, name: str, letter: str, kind: Kind = Kind.COMPUTE, needs: str = "text") -> None:
        self.id, self.kind, self.letter = name, kind, letter
        self.needs, self.makes = (needs,), (name,)

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        if self.letter == "!":
            raise ValueError("broken")
        return {self.id: step("add", str.__add__, inputs[self.needs[0]], self.letter)}

    def replay(self, inputs: Inputs, config: StageConfig) -> Outputs:
        return {self.id: f"past {self.run(inputs, config)[self.id]}"}


CHAIN = [Adds("a", "a"), Adds("b", "b", Kind.NETWORK, "a"), Adds("c", "c", Kind.COMPUTE, "b")]


@pytest.mark.parametrize(
    ("replay", "last"), [(False, "xabc"), (True, "past past past xabc"), (Kind.NETWORK, "past xabc")]
)
def test_all_or_one_kind_of_stages_are_replayed(replay: bool | Kind, last: str) -> None:
    """A run, a past date, and a run without fetching differ in which stages replay."""
    values = {"text": "x"}
    assert play(CHAIN, values, {}, replay=replay)["c"] == last
    assert values == {"text": "x"}


def test_it_ends_after_the_stage_that_makes_what_is_wanted() -> None:
    """A stage behind it does not run."""
    assert play([*CHAIN[:2], Adds("c", "!")], {"text": "x"}, {}, until="b") == {"text": "x", "a": "xa", "b": "xab"}


def test_what_was_made_before_an_error_is_known() -> None:
    """Somebody who plays step by step has each stage's artifacts, and the error of the one that failed."""
    made: list[Outputs] = []
    with pytest.raises(ValueError, match="broken"):
        made.extend(outputs for _, outputs in played([CHAIN[0], Adds("b", "!")], {"text": "x"}, {}))
    assert made == [{"a": "xa"}]
    with pytest.raises(KeyError):
        play([CHAIN[1]], {"text": "x"}, {})


def test_a_section_that_a_stage_reads_is_missing() -> None:
    """It is refused in words, as in a run."""
    with pytest.raises(ConfigError, match="reads the section"):
        play([ValidationStage()], dict.fromkeys(ValidationStage.needs), {})


def test_steps_are_not_shown_in_the_background() -> None:
    """Whoever shows steps sees those played before and after, not those inside."""
    shown: list[str] = []

    def show(name: str, fn: Any, args: tuple[Any, ...]) -> Any:
        shown.append(name)
        return fn(*args)

    token = step_runner.set(show)
    try:
        with in_the_background():
            play(CHAIN, {"text": "x"}, {})
        assert shown == []
        play(CHAIN, {"text": "x"}, {})
    finally:
        step_runner.reset(token)
    assert shown == ["add"] * 3


class Mood(BasePipelineStage[StageConfig]):
    """Takes the place of the scores."""

    id, kind, needs, makes = "inference", Kind.COMPUTE, ("features", "news"), ("scores",)

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        raise AssertionError("it is arranged here, never run")


def test_a_walk_forward_of_other_stages_is_an_instance() -> None:
    """No class is made for it: what it needs and replays is its own, and it can be sent to another process."""
    built_in = ValidationStage()
    chain = tuple(Mood() if stage.id == "inference" else stage for stage in built_in.chain)
    stage = ValidationStage(chain, ("news",))
    assert type(stage) is ValidationStage
    given = ("prices", "instruments", "past", "roster")
    assert (stage.needs, built_in.needs) == ((*given, "news"), given)
    assert ValidationStage.needs == built_in.needs
    back = pickle.loads(pickle.dumps(stage))  # noqa: S301  # our own bytes
    assert (back.needs, [type(each) for each in back.chain]) == (stage.needs, [type(each) for each in chain])
    assert {Mood.__module__} == stage.modules() - built_in.modules()


def test_the_built_in_walk_forward_is_that_of_the_built_in_pipeline() -> None:
    """Bound to the pipeline without stages of others, it is the same stage with the same config."""
    bound = next(stage for stage in pipeline_of(Profile(name="p").settings()) if stage.id == "validation")
    assert bound.Config is ValidationStage.Config
    assert bound.modules() == ValidationStage().modules()
