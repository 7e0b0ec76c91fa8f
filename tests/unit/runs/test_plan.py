"""The plan: each reason why a stage is reused or run, from what is on disk alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from quantflow.data import store
from quantflow.data.cache import StageCache
from quantflow.data.store import ArtifactRef, ArtifactStore
from quantflow.pipeline.keys import fingerprint
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig
from quantflow.runs.plan import Planner, Reason
from quantflow.runs.record import StageRecord


class Fetch(BasePipelineStage[StageConfig]):
    """Makes bars."""

    id: ClassVar[str] = "fetch"
    kind: ClassVar[Kind] = Kind.NETWORK
    makes: ClassVar[tuple[str, ...]] = ("bars",)

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return bars."""
        return {"bars": {"KO": 1.0}}


class Score(BasePipelineStage[StageConfig]):
    """Makes scores of bars."""

    id: ClassVar[str] = "score"
    kind: ClassVar[Kind] = Kind.COMPUTE
    needs: ClassVar[tuple[str, ...]] = ("bars",)
    makes: ClassVar[tuple[str, ...]] = ("scores",)

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return scores."""
        return {"scores": dict(inputs["bars"])}


class Show(Score):
    """Shows scores to people."""

    id: ClassVar[str] = "show"
    kind: ClassVar[Kind] = Kind.CONTROL
    needs: ClassVar[tuple[str, ...]] = ("scores", "run")
    makes: ClassVar[tuple[str, ...]] = ("page",)


FETCH, SCORE, SHOW = Fetch(), Score(), Show()


class Disk:
    """A store, a cache and the records of a run whose two first stages are complete."""

    def __init__(self, folder: Path) -> None:
        self.store = ArtifactStore(str(folder / "artifacts"))
        self.cache = StageCache(str(folder / "cache"), self.store)
        self.bars = self.store.put("bars", {"KO": 1.0})
        self.scores = self.store.put("scores", {"KO": 2.0})
        self.records: dict[str, StageRecord | None] = {
            "fetch": self.done(FETCH, {}, {"bars": self.bars}),
            "score": self.done(SCORE, {"bars": self.bars}, {"scores": self.scores}),
            "show": None,
        }

    def done(self, stage: Any, inputs: dict[str, ArtifactRef], outputs: dict[str, ArtifactRef]) -> StageRecord:
        """The record of a stage that is complete."""
        mark = fingerprint(stage, "scope", {}, inputs)
        return StageRecord(stage.id, "done", mark.key, mark.json(), outputs=outputs)

    def planner(self, *forced: str) -> Planner:
        """What plans from it."""
        return Planner("scope", {}, self.cache, self.records, frozenset(forced))

    def damage(self, ref: ArtifactRef) -> None:
        """Change an artifact, as a process that has not read it yet would find it."""
        path = Path(self.store.path(ref))
        path.chmod(0o600)
        path.write_bytes(path.read_bytes() + b" ")
        store._verified.discard(str(path))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """A run whose two first stages are complete."""
    return Disk(tmp_path)


def reasons(planner: Planner) -> dict[str, tuple[str, str]]:
    """Action and reason by stage."""
    return {line.stage: (line.action, line.reason.value) for line in planner.plan([FETCH, SCORE, SHOW])}


def test_what_is_complete_is_reused_and_the_rest_is_run(disk: Disk) -> None:
    """The plan hands the refs of what is reused to the stages after it."""
    assert reasons(disk.planner()) == {
        "fetch": ("reuse", "complete"),
        "score": ("reuse", "complete"),
        "show": ("run", "no_record"),
    }
    (_, line, _) = disk.planner().plan([FETCH, SCORE, SHOW])
    assert line.outputs == {"scores": disk.scores}
    assert line.json() == {"stage": "score", "action": "reuse", "reason": "complete", "detail": ""}


def test_a_forced_stage_is_run_and_so_are_those_that_need_it(disk: Disk) -> None:
    """What it will make is not known, so a later stage's own record does not count."""
    assert reasons(disk.planner("fetch")) == {
        "fetch": ("run", "forced"),
        "score": ("run", "upstream"),
        "show": ("run", "upstream"),
    }
    assert disk.planner("fetch").plan([FETCH, SCORE])[1].detail == "bars"


def test_a_damaged_artifact_is_made_again(disk: Disk) -> None:
    """And named."""
    disk.damage(disk.scores)
    line = disk.planner().plan([FETCH, SCORE])[1]
    assert (line.action, line.reason, line.detail) == ("run", Reason.DAMAGED, "scores")


def test_a_result_of_another_run_is_reused(disk: Disk) -> None:
    """By its key; a network stage's key is scoped to the run, so that only a resume finds it."""
    record = disk.records["score"]
    assert record is not None
    disk.cache.write(record.key, {"outputs": {"scores": disk.scores.json()}, "summary": {}})
    disk.records["score"] = None
    line = disk.planner().plan([FETCH, SCORE])[1]
    assert (line.action, line.reason) == ("reuse", Reason.CACHED)
    assert line.outputs == {"scores": disk.scores}


def test_the_cache_is_never_asked_for_a_stage_for_people(disk: Disk) -> None:
    """Control stages always run."""
    mark = fingerprint(SHOW, "scope", {}, {"scores": disk.scores})
    disk.cache.write(mark.key, {"outputs": {"page": disk.scores.json()}, "summary": {}})
    assert reasons(disk.planner())["show"] == ("run", "no_record")


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"state": "running"}, Reason.INCOMPLETE, ""),
        ({"state": "failed", "error": {"type": "DataError"}}, Reason.FAILED, "DataError"),
        ({"state": "failed"}, Reason.FAILED, ""),
    ],
)
def test_a_stage_that_did_not_end_is_run(changes: dict[str, Any], reason: Reason, detail: str, disk: Disk) -> None:
    """With how far it had come."""
    record = disk.records["score"]
    assert record is not None
    disk.records["score"] = replace(record, **changes)
    line = disk.planner().plan([FETCH, SCORE])[1]
    assert (line.action, line.reason, line.detail) == ("run", reason, detail)


@pytest.mark.parametrize(
    ("part", "reason", "detail"),
    [
        ("inputs", Reason.INPUT_CHANGED, "bars"),
        ("config", Reason.PARAM_CHANGED, ""),
        ("code", Reason.CODE_CHANGED, ""),
    ],
)
def test_a_stage_of_another_key_is_run_because_of_what_changed(
    part: str, reason: Reason, detail: str, disk: Disk
) -> None:
    """Inputs before settings before code."""
    record = disk.records["score"]
    assert record is not None
    other = {"bars": "0" * 64} if part == "inputs" else "0" * 64
    disk.records["score"] = replace(record, key="score-other", fingerprint={**record.fingerprint, part: other})
    line = disk.planner().plan([FETCH, SCORE])[1]
    assert (line.action, line.reason, line.detail) == ("run", reason, detail)
