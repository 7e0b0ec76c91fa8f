"""The plan: which stages a run will reuse, which it will run, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from quantflow.data.cache import StageCache, refs
from quantflow.data.store import ArtifactRef
from quantflow.pipeline.keys import Fingerprint, fingerprint
from quantflow.pipeline.stage import Kind, Stage
from quantflow.runs.record import StageRecord
from quantflow.types import Json, Settings


class Reason(StrEnum):
    """Why a stage is reused or run. The set is closed."""

    COMPLETE = "complete"
    CACHED = "cached"
    NO_RECORD = "no_record"
    INCOMPLETE = "incomplete"
    DAMAGED = "damaged"
    INPUT_CHANGED = "input_changed"
    PARAM_CHANGED = "param_changed"
    CODE_CHANGED = "code_changed"
    READ_CHANGED = "read_changed"
    UPSTREAM = "upstream"
    FORCED = "forced"
    FAILED = "failed"


@dataclass(frozen=True)
class Planned:
    """What will be done with one stage.

    Attributes:
        stage: Its id.
        action: ``reuse`` or ``run``.
        reason: Why.
        detail: The name of what changed or is missing; empty when there is nothing to add.
        outputs: The artifacts that a reused stage hands on.
    """

    stage: str
    action: str
    reason: Reason
    detail: str = ""
    outputs: Mapping[str, ArtifactRef] | None = None

    def json(self) -> Json:
        """Return the line as JSON values."""
        return {"stage": self.stage, "action": self.action, "reason": self.reason.value, "detail": self.detail}


@dataclass(frozen=True)
class Planner:
    """Decides stage by stage, from what is on disk.

    Attributes:
        scope: The run that network stages fetch for.
        settings: The profile's sections and ``as_of``.
        cache: The cache of results.
        records: What this run's record holds, by stage id.
        forced: Stages to run in any case.
        fresh: Whether compute stages are not taken from the cache.
    """

    scope: str
    settings: Settings
    cache: StageCache
    records: Mapping[str, StageRecord | None]
    forced: frozenset[str] = frozenset()
    fresh: bool = False

    def plan(self, stages: Sequence[Stage]) -> list[Planned]:
        """Return one line per stage, in order."""
        artifacts: dict[str, ArtifactRef] = {}
        lines: list[Planned] = []
        for stage in stages:
            line = self.decide(stage, artifacts)
            artifacts.update(line.outputs or {})
            lines.append(line)
        return lines

    def decide(self, stage: Stage, artifacts: Mapping[str, ArtifactRef]) -> Planned:
        """Return what to do with *stage*, given the artifacts that are known to be there."""
        record = self.records.get(stage.id)
        if stage.id in self.forced:
            return Planned(stage.id, "run", Reason.FORCED)
        if missing := set(stage.needs) - set(artifacts) - {"run"}:
            return Planned(stage.id, "run", Reason.UPSTREAM, ", ".join(sorted(missing)))
        want = fingerprint(stage, self.scope, self.settings, artifacts)
        damaged = ""
        if record is not None and record.state == "done" and record.key == want.key:
            damaged = self._damaged(record)
            if not damaged:
                return Planned(stage.id, "reuse", Reason.COMPLETE, outputs=record.outputs)
        if self.fresh and stage.kind is Kind.COMPUTE:
            return Planned(stage.id, "run", Reason.FORCED)
        if stage.kind is not Kind.CONTROL and (result := self.cache.lookup(want.key)) is not None:
            return Planned(stage.id, "reuse", Reason.CACHED, outputs=refs(result))
        if damaged:
            return Planned(stage.id, "run", Reason.DAMAGED, damaged)
        return Planned(stage.id, "run", *_why(record, want))

    def _damaged(self, record: StageRecord) -> str:
        return ", ".join(name for name, ref in record.outputs.items() if not self.cache.store.verify(ref))


def _why(record: StageRecord | None, want: Fingerprint) -> tuple[Reason, str]:
    if record is None:
        return Reason.NO_RECORD, ""
    if record.state == "failed":
        return Reason.FAILED, str((record.error or {}).get("type", ""))
    if record.state != "done":
        return Reason.INCOMPLETE, ""
    had = record.fingerprint
    changed = [name for name, sha in want.inputs.items() if had.get("inputs", {}).get(name) != sha]
    if changed:
        return Reason.INPUT_CHANGED, ", ".join(changed)
    if had.get("config") != want.config:
        return Reason.PARAM_CHANGED, ""
    read = [name for name, mark in want.reads.items() if had.get("reads", {}).get(name) != mark]
    return (Reason.READ_CHANGED, ", ".join(read)) if read else (Reason.CODE_CHANGED, "")
