"""What a stage says it reads is part of the key of its result."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from quantflow.config.load import load_profile
from quantflow.config.profile import Profile
from quantflow.data.cache import StageCache
from quantflow.data.store import ArtifactStore
from quantflow.errors import ConfigError, InfrastructureError
from quantflow.pipeline.foreign import ForeignStage
from quantflow.pipeline.keys import fingerprint
from quantflow.pipeline.reads import ABSENT
from quantflow.pipeline.registry import StageRegistry, plug_in
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, Stage, StageConfig
from quantflow.runs.create import plan_new
from quantflow.runs.header import RunOptions
from quantflow.stages.allocation import AllocationStage
from quantflow.stages.validation import REPLAYED, ValidationStage
from ran import AS_OF, ran

SETTINGS = {**Profile(name="x").settings(), "as_of": "2022-12-28"}


def declaring(**body: Any) -> Stage:
    """An allocation that says what it reads."""
    made: Stage = type("Declaring", (AllocationStage,), {"__module__": __name__, **body})()
    return made


def key(stage: Stage) -> str:
    return fingerprint(stage, "", SETTINGS, {}).key


class Theirs:
    """A class of another framework, which reads what nobody handed it."""

    def execute(self, context: BaseModel) -> None:
        """Do nothing."""


class Wrapped(ForeignStage):
    """Says what the class inside reads."""

    id, kind = "wrapped", Kind.COMPUTE
    foreign, context = Theirs, BaseModel
    gives: ClassVar = {"table": "table"}
    reads_env = ("TILT",)


@pytest.mark.parametrize("stage", [declaring(reads_env=("TILT",)), Wrapped()])
def test_a_variable_changes_the_key(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another value, or none, is another result; the value itself is in no record."""
    monkeypatch.delenv("TILT", raising=False)
    without = fingerprint(stage, "", SETTINGS, {})
    monkeypatch.setenv("TILT", "0.123")
    found = fingerprint(stage, "", SETTINGS, {})
    assert without.reads == {"$TILT": ABSENT}
    assert len({without.key, found.key}) == 2
    assert "0.123" not in str(found.json())
    monkeypatch.setenv("OTHER", "1")
    assert key(stage) == found.key


def test_files_count_by_their_content(tmp_path: Path) -> None:
    """A file named by path or by the settings, and all in a folder: what they hold is in the key, not when."""
    file, folder = tmp_path / "tilts.csv", tmp_path / "many"
    folder.mkdir()
    stage = declaring(reads_files=(file, lambda config: (str(folder), file), lambda config: file))
    keys = [key(stage)]
    file.write_text("KO,1\n")
    keys.append(key(stage))
    (folder / "a").write_text("1")
    keys.append(key(stage))
    (folder / "a").rename(folder / "b")
    keys.append(key(stage))
    assert len(set(keys)) == 4
    file.write_text("KO,1\n")
    assert key(stage) == keys[-1]
    assert fingerprint(stage, "", SETTINGS, {}).reads.keys() == {str(file), str(folder)}


def test_what_is_read_in_the_walk_forward_is_in_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk-forward replays the stages, so what they read is what it reads."""
    chain = [StageRegistry.get(name) for name in REPLAYED[:-1]]
    walk = ValidationStage([*chain, Reading()])
    before = key(walk)
    monkeypatch.setenv("TILT", "1")
    assert key(walk) != before
    assert key(ValidationStage()) == key(ValidationStage([*chain, AllocationStage()]))


class Reading(AllocationStage):
    """Reads a variable."""

    reads_env = ("TILT",)


def test_a_path_that_is_not_absolute_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it means would depend on the folder that the run is started in. A file that cannot be read is named."""
    with pytest.raises(ConfigError, match=r"'tilts.csv', which is not an absolute path"):
        key(declaring(reads_files=("tilts.csv",)))
    below = tmp_path / "file" / "tilts.csv"
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match=r"tilts.csv, which a stage says it reads, cannot be read"):
        key(declaring(reads_files=(below,)))


class Misdeclared(BasePipelineStage[StageConfig]):
    """Names a variable where a tuple belongs."""

    id, kind, makes = "misdeclared", Kind.COMPUTE, ("table",)
    reads_env = "TILT"  # type: ignore[assignment]

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return nothing."""
        return {}


def test_a_declaration_that_is_no_tuple_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything starts, naming the stage and what it should be."""
    monkeypatch.setattr("quantflow.config.plugins.find_stage", lambda spec: Misdeclared())
    with pytest.raises(ConfigError, match=r"reads_env = 'TILT' is not a tuple"):
        plug_in("x:Misdeclared")
    monkeypatch.setattr(Misdeclared, "reads_env", ())
    monkeypatch.setattr(Misdeclared, "reads_files", (3,))
    with pytest.raises(ConfigError, match=r"reads_files = \(3,\) is not a tuple"):
        plug_in("x:Misdeclared")


def test_a_fresh_run_takes_no_computed_result_from_the_cache(tmp_path: Path) -> None:
    """With ``--force`` compute stages are computed; what their own run has made stays."""
    run = ran(tmp_path, until="policy")
    cache = StageCache(run.layout.cache, ArtifactStore(run.layout.store, as_of=AS_OF))
    for stage in run.stages.values():
        if stage is not None and stage.state == "done":
            outputs = {name: ref.json() for name, ref in stage.outputs.items()}
            cache.write(stage.key, {"outputs": outputs, "summary": vars(stage.summary)})
    profile = load_profile("demo", workspace=tmp_path)
    planner = run.planner()
    again = type(planner)("other", run.settings, cache, {})
    ready = run.outputs
    features = next(stage for stage in run.pipeline() if stage.id == "features")
    assert again.decide(features, ready).reason == "cached"
    fresh = type(planner)("other", run.settings, cache, {}, fresh=True)
    assert fresh.decide(features, ready).reason == "forced"
    own = type(planner)(run.id, run.settings, cache, run.stages, fresh=True)
    assert own.decide(features, ready).reason == "complete"
    assert plan_new(profile, tmp_path, AS_OF, RunOptions(fresh=True))[1].action == "run"
