"""What a run is doing or has done, told from its folder and its lock alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantflow.data.store import ArtifactRef
from quantflow.errors import ConfigError, IntegrityError, unknown_name
from quantflow.runs.lock import owner
from quantflow.runs.record import RunRecord, StageRecord, is_run_id

SCHEMA_VERSION = 1

FAILED, INTERRUPTED = "run.failed", "run.interrupted"
BEGUN: tuple[str, ...] = ("run.created", "run.started")
ENDED: tuple[str, ...] = ("run.completed", FAILED, INTERRUPTED)
"""The events of a run's life: after the last of ``ENDED`` its owner only drains, shows and publishes."""

EXPORTS: Mapping[str, str] = {"weights": "weights.csv", "report": "report.html", "brief": "brief.txt"}
"""Artifacts that are also written as files for people, by artifact name."""


@dataclass(frozen=True)
class RunStatus:
    """A run as a person asks for it.

    Attributes:
        record: The run's record.
        state: ``running`` (its owner is at it), ``completed``, ``failed``, ``interrupted`` (by a signal, or its owner
            died), or ``unreadable`` (its record is damaged).
        stages: One record per planned stage, in order; None for one that was never started.
        owner: Who is at it (pid, host, since); None when it is not running.
        error: What ended a failed run: type, message, hint; None when it did not fail, or only a stage's record knows.
    """

    record: RunRecord
    state: str
    stages: Mapping[str, StageRecord | None]
    owner: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    @property
    def degraded(self) -> bool:
        """Whether it ended well but not as asked."""
        return any(stage is not None and stage.summary.degraded for stage in self.stages.values())

    @property
    def done(self) -> tuple[str, ...]:
        """The ids of the stages that are complete."""
        return tuple(name for name, stage in self.stages.items() if stage is not None and stage.state == "done")

    @property
    def outputs(self) -> dict[str, ArtifactRef]:
        """What the run has made so far, by artifact name."""
        return {name: ref for stage in self.stages.values() if stage is not None for name, ref in stage.outputs.items()}

    @property
    def failed(self) -> StageRecord | None:
        """The stage that failed; None when none did."""
        return next((stage for stage in self.stages.values() if stage is not None and stage.state == "failed"), None)

    def stage_state(self, stage_id: str) -> str:
        """Return ``pending``, ``running``, ``interrupted``, ``cached``, ``done`` or ``failed``."""
        stage = self.stages[stage_id]
        if stage is None:
            return "pending"
        if stage.state == "running" and self.state != "running":
            return "interrupted"
        return "cached" if stage.state == "done" and stage.cached else stage.state

    def json(self) -> dict[str, Any]:
        """Return the documented, versioned form of ``inspect RUN --json``."""
        header = self.record.header if self.state != "unreadable" else {}
        picked = ("kind", "profile", "as_of", "created", "parent", "versions", "cpu", "flow_runs", "settings")
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.record.run_id,
            "state": self.state,
            "degraded": self.degraded,
            "owner": dict(self.owner) if self.owner else None,
            "error": dict(self.error) if self.error else None,
            "folder": str(self.record.folder),
            **{name: header.get(name) for name in picked},
            "stages": [_stage_json(name, self.stage_state(name), stage) for name, stage in self.stages.items()],
        }


def _stage_json(name: str, state: str, stage: StageRecord | None) -> dict[str, Any]:
    return {**(stage.json() if stage else StageRecord(name, state).json()), "state": state}


def status(record: RunRecord) -> RunStatus:
    """Return what the run is doing or has done; never ``running`` when its owner is dead, or is done with it."""
    who = owner(record.folder)
    try:
        planned = record.stages
    except IntegrityError:
        return RunStatus(record, "unreadable", {}, who)
    stages = {name: record.stage(name) for name in planned}
    complete = _complete(record, stages)
    if complete and who is None:
        return RunStatus(record, "completed", stages)
    last = _last_event(record)
    if who is not None and last.get("event") not in ENDED:
        return RunStatus(record, "running", stages, who)
    if complete:
        return RunStatus(record, "completed", stages)
    failed = last.get("event") == FAILED
    error = {"type": last.get("error"), "message": last.get("message"), "hint": last.get("hint")} if failed else None
    failed = failed or any(stage is not None and stage.state == "failed" for stage in stages.values())
    return RunStatus(record, "failed" if failed else "interrupted", stages, error=error)


def _last_event(record: RunRecord) -> Mapping[str, Any]:
    """Return the last event that says how far the run has come; an empty one when there is none."""
    return next((event for event in reversed(record.events()) if event.get("event") in (*BEGUN, *ENDED)), {})


def _complete(record: RunRecord, stages: Mapping[str, StageRecord | None]) -> bool:
    return all(stage is not None and stage.state == "done" for stage in stages.values()) and _exported(record, stages)


def _exported(record: RunRecord, stages: Mapping[str, StageRecord | None]) -> bool:
    made = {name for stage in stages.values() if stage is not None for name in stage.outputs}
    return all((record.folder / file).is_file() for name, file in EXPORTS.items() if name in made)


def list_runs(workspace: Path, *, sleeves: bool = False) -> list[RunStatus]:
    """Return the workspace's runs, newest last; those of sleeves only if asked for."""
    return [status(record) for record in sorted(_records(workspace, sleeves=sleeves), key=_number)]


def _records(workspace: Path, *, sleeves: bool = False) -> list[RunRecord]:
    folder = workspace / "runs"
    names = [path.name for path in folder.iterdir() if _has_record(path)] if folder.is_dir() else []
    records = [RunRecord(workspace, name) for name in names if is_run_id(name)]
    return [record for record in records if sleeves or not _header(record).get("parent")]


def _has_record(folder: Path) -> bool:
    try:
        return (folder / "run.json").exists()
    except PermissionError:  # another user's folder is no run of ours, and hides none
        return False


def _header(record: RunRecord) -> dict[str, Any]:
    try:
        return record.header
    except IntegrityError:
        return {}


def _number(record: RunRecord) -> tuple[int, str]:
    """Return what orders runs: a count, since the clock may have been set back; unreadable ones come first."""
    return int(_header(record).get("sequence", 0)), record.run_id


def find_run(workspace: Path, run_id: str) -> RunStatus:
    """Return the run called *run_id*, or the newest for ``latest``.

    Raises:
        ConfigError: If there is none, naming the nearest.
    """
    if run_id == "latest":
        newest = max(_records(workspace), key=_number, default=None)
        if newest is None:
            raise ConfigError(f"There are no runs in {workspace}.", hint="Start one: quantflow select --profile demo")
        return status(newest)
    record = RunRecord(workspace, run_id)
    if not record.exists:
        raise unknown_name("run", run_id, [run.record.run_id for run in list_runs(workspace)][-20:])
    return status(record)
