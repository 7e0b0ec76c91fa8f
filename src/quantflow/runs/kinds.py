"""The kinds of runs: of a profile, of a meta profile with its sleeves, of a sweep; and those that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from quantflow.config.load import override_settings
from quantflow.config.plugins import importable
from quantflow.config.profile import MetaProfile, Profile
from quantflow.config.sweeps.sweep import SWEEP, SweepConfig
from quantflow.data.store import ArtifactRef
from quantflow.errors import ConfigError, IntegrityError, NewerRecordError
from quantflow.pipeline.arrange import pipeline_of, through, up_to
from quantflow.pipeline.registry import StageRegistry
from quantflow.pipeline.stage import Stage
from quantflow.runs.header import SleeveFailure
from quantflow.runs.lock import owner
from quantflow.runs.record import RunRecord, StageRecord
from quantflow.runs.research.trial import PROVEN, SweepTrial, TrialResult
from quantflow.runs.run import Run
from quantflow.runs.sleeves import SleeveLink, SleeveResult, handed_on
from quantflow.types import Json, Settings


class Selection(Run):
    """A run of a profile: prices to weights, in the stages of its settings."""

    def pipeline(self) -> tuple[Stage, ...]:
        """Return the stages that its settings name."""
        importable(self.workspace)
        stages = through(pipeline_of(self.settings, hold=self.header.decision.hold), self.header.until)
        if changed := {stage.id for stage in stages} ^ set(self.header.stages):
            raise ConfigError(
                f"Run {self.id} was made of other stages than there are now: {', '.join(sorted(changed))}.",
                hint="Start a new run; what has not changed comes from the cache.",
            )
        return stages

    def _changed(self, overrides: Sequence[str]) -> tuple[Settings, Profile | MetaProfile]:
        importable(self.workspace)
        profile = override_settings(self.profile, self.header.settings, overrides)
        return profile.settings(), profile


class Meta(Run):
    """A run of a meta profile: runs of its sleeves, and the stages that make one portfolio of them."""

    def pipeline(self) -> tuple[Stage, ...]:
        """Return the stages of a portfolio, which are the same for all."""
        return tuple(StageRegistry.get(name) for name in self.header.stages)

    @property
    def sleeves(self) -> tuple[Sleeve, ...]:
        """The sleeves, in the order of the profile."""
        links = (SleeveLink.read(self.folder, name) for name in self.header.sleeves)
        return tuple(Sleeve(link.id, link, self.workspace) for link in links)

    def _changed(self, overrides: Sequence[str]) -> tuple[Settings, Profile | MetaProfile]:
        return _execution_changed(self, "a meta run: the settings of its sleeves", overrides)


class Sweep(Run):
    """A run of many variants of a profile, its trials, and the stages that compare them."""

    def pipeline(self) -> tuple[Stage, ...]:
        """Return the stages that compare trials, which are the same for all sweeps."""
        return tuple(StageRegistry.get(name) for name in self.header.stages)

    @cached_property
    def config(self) -> SweepConfig:
        """What is varied, and how trials are compared."""
        return SweepConfig.model_validate_json(json.dumps(self.header.settings[SWEEP]))

    @property
    def trials(self) -> list[SweepTrial]:
        """Its trials, in the order of their numbers, whether they have ended or not."""
        base = {name: section for name, section in self.header.settings.items() if name != SWEEP}
        found = enumerate(self.config.variants(), start=1)
        return [SweepTrial(number, each, self.id, self.profile, base, self.workspace) for number, each in found]

    def json(self) -> Json:
        """Return the form of ``inspect RUN --json``, with how many trials there are, have succeeded and have failed."""
        states = [result.state if (result := trial.result) else "due" for trial in self.trials]
        counted = {"number": len(states), "completed": states.count("completed"), "failed": states.count("failed")}
        return {**super().json(), "trials": counted}

    def due(self) -> list[SweepTrial]:
        """Return the trials that have not ended, or were lost."""
        return [trial for trial in self.trials if trial.is_due]

    def _changed(self, overrides: Sequence[str]) -> tuple[Settings, Profile | MetaProfile]:
        return _execution_changed(self, "a sweep: the settings of its trials", overrides)


def _execution_changed(run: Run, what: str, overrides: Sequence[str]) -> tuple[Settings, Profile | MetaProfile]:
    """Return the settings of a run that is made of others with its section ``execution`` changed, which alone may be.

    Raises:
        ConfigError: If another setting is to be changed; *what* says whose.
    """
    if not all(line.strip().startswith("execution.") for line in overrides):
        raise ConfigError(
            f"{run.id} is {what} are frozen, all but execution.",
            hint="Start a new one with --set; what has not changed comes from the cache.",
        )
    own = run.header.settings
    profile = override_settings(run.profile, {"execution": own["execution"]}, overrides)
    return {**own, "execution": profile.settings()["execution"]}, profile


class Trial(Selection):
    """A trial of a sweep that has succeeded: as a run of the profile with its settings, but without report and book.

    Args:
        sweep: The sweep.
        trial: Which of its trials.
        result: What became of it.
    """

    state = "completed"

    def __init__(self, sweep: Sweep, trial: SweepTrial, result: TrialResult) -> None:
        super().__init__(sweep.workspace, sweep.id)
        self.id = f"{sweep.id}/{trial.name}"
        self.header = replace(
            sweep.header, kind="selection", stages=tuple(result.keys), settings=trial.settings, trials=()
        )
        self._result = result

    @property
    def stages(self) -> Mapping[str, StageRecord | None]:
        """Its stages, of which only the keys are recorded."""
        return {name: StageRecord(name, "done", key) for name, key in self._result.keys.items()}

    @property
    def outputs(self) -> dict[str, ArtifactRef]:
        """What it has made."""
        return dict(self._result.outputs)

    def pipeline(self) -> tuple[Stage, ...]:
        """Return the stages up to its walk-forward."""
        importable(self.workspace)
        return up_to(pipeline_of(self.settings), PROVEN)

    def again(self) -> Run:
        """Return itself: a result does not change."""
        return self


class Unreadable(Run):
    """A run whose header is damaged or missing: it has a name, and nothing else is known of it."""

    state = "unreadable"
    degraded = False
    stages: Mapping[str, StageRecord | None] = {}

    def again(self) -> Run:
        """Return the run as its folder describes it now, which may have a record by now."""
        return open_run(self.workspace, self.id)

    @property
    def owner(self) -> Mapping[str, object] | None:
        """Who has its lock; None when nobody does."""
        return owner(self.folder)

    def pipeline(self) -> NoReturn:
        """Raise an ``IntegrityError``."""
        raise IntegrityError(f"The record of run {self.id} cannot be read.", hint="Start it again with a new --run-id.")

    def _changed(self, overrides: Sequence[str]) -> NoReturn:
        self.pipeline()


class Newer(Unreadable):
    """A run that a newer quantflow has written: nothing is wrong with it, and nothing may be done with it here.

    Args:
        workspace: The folder that holds ``runs/``.
        run_id: The run.
        refusal: Why it cannot be read.
    """

    def __init__(self, workspace: Path, run_id: str, refusal: NewerRecordError) -> None:
        super().__init__(workspace, run_id)
        self.refusal = refusal

    @property
    def error(self) -> Json:
        """Why it cannot be read: type, message, hint."""
        return {"type": type(self.refusal).__name__, "message": self.refusal.message, "hint": self.refusal.hint}

    def pipeline(self) -> NoReturn:
        """Raise a ``NewerRecordError``."""
        raise self.refusal


@dataclass(frozen=True)
class Sleeve:
    """A sleeve of a meta run.

    Attributes:
        name: Its id, after those of the meta profiles around it: ``outer/inner``.
        link: Which run it is.
        workspace: Where that run is recorded.
    """

    name: str
    link: SleeveLink
    workspace: Path

    @property
    def run(self) -> Run:
        """Its run, as the folder describes it now."""
        return open_run(self.workspace, self.link.run_id)

    @property
    def settings(self) -> Settings:
        """The settings of its run."""
        return self.run.settings

    @property
    def result(self) -> SleeveResult | None:
        """What its run hands on; None when that is not complete."""
        run = self.run
        if run.state != "completed":
            return None
        outputs = handed_on(run.outputs, self.link.kind, run.id, hold=run.header.decision.hold)
        return SleeveResult(self.link.id, run.id, run.config_hash, run.as_of.isoformat(), run.degraded, outputs)

    def leaves(self) -> list[Sleeve]:
        """Return the sleeves that are profiles below it; itself if it is one."""
        if self.link.kind != "meta":
            return [self]
        return [replace(leaf, name=f"{self.name}/{leaf.name}") for leaf in self.run.leaves()]

    def failure(self, error: str) -> SleeveFailure:
        """Return why its run did not complete: the message of the run's own record, else *error*."""
        run = self.run
        failed = run.failed
        message = str((failed.error or {}).get("message", error)) if failed else error
        return SleeveFailure(self.name, run.id, failed.stage if failed else "", message, str(run.folder / "log.txt"))


_KINDS: Mapping[str, type[Run]] = {"selection": Selection, "meta": Meta, "sweep": Sweep}


def open_trial(sweep: Sweep, number: str) -> Trial:
    """Return a trial of a sweep, as a run.

    Raises:
        ConfigError: If it has none of that number, or that did not succeed.
    """
    trials = sweep.trials
    if not number.isdecimal() or not 0 < int(number) <= len(trials):
        raise ConfigError(f"{sweep.id} has no trial {number!r}.", hint=f"It has {len(trials)}, from 1 on.")
    trial = trials[int(number) - 1]
    result = trial.result
    if result is None or result.state != "completed":
        why = (result.error or {}).get("message", "it failed") if result else "it has not ended"
        raise ConfigError(f"Trial {number} of {sweep.id} has no result: {why}", hint=f"quantflow inspect {sweep.id}")
    return Trial(sweep, trial, result)


def open_run(workspace: Path, run_id: str) -> Run:
    """Return the run of that id; an ``Unreadable`` one when its header cannot be read, or there is none.

    Raises:
        ConfigError: If the run id is not a safe folder name.
    """
    record = RunRecord(workspace, run_id)
    try:
        header = record.header
    except NewerRecordError as error:
        return Newer(workspace, run_id, error)
    except IntegrityError:
        return Unreadable(workspace, run_id)
    run = _KINDS[header.kind](workspace, run_id)
    run.header = header
    return run
