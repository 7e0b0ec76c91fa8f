"""One stage on a finished run's artifacts: for looking at it, without touching the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from quantflow.data.store import ArtifactRef
from quantflow.errors import ConfigError, unknown_name
from quantflow.pipeline.stage import SelectionContext, Stage
from quantflow.review.facts import facts_of
from quantflow.runs.record import RunRecord
from quantflow.runs.request import context_of, pipeline


@dataclass(frozen=True)
class Made:
    """One artifact that the stage made.

    Attributes:
        ref: The artifact.
        path: Where it lies.
        same: Whether its bytes are those of the run's own; None when the run has none.
    """

    ref: ArtifactRef
    path: str
    same: bool | None

    def json(self) -> dict[str, Any]:
        """Return the artifact as JSON values."""
        return {**self.ref.json(), "path": self.path, "same": self.same}


def stage_and_context(record: RunRecord, stage_id: str) -> tuple[Stage, SelectionContext]:
    """Return a stage of a run, and the context that holds what the run's other stages have made.

    Raises:
        ConfigError: If the run has no such stage, or has not made what it needs.
    """
    stages = {stage.id: stage for stage in pipeline(record)}
    if stage_id not in stages:
        raise unknown_name("stage", stage_id, stages)
    stage = stages[stage_id]
    artifacts = {
        name: ref
        for each in record.stages
        if each != stage_id and (found := record.stage(each)) is not None and found.state == "done"
        for name, ref in found.outputs.items()
    }
    if missing := sorted(set(stage.needs) - set(artifacts) - {"run"}):
        raise ConfigError(
            f"Run {record.run_id} has not made {', '.join(missing)}, which stage {stage_id!r} needs.",
            hint=f"Finish it first: quantflow resume {record.run_id}",
        )
    facts = facts_of(record) if "run" in stage.needs else {}
    return stage, replace(context_of(record), artifacts=artifacts, facts=facts)


def made_by(record: RunRecord, stage: Stage, after: SelectionContext) -> list[Made]:
    """Return what *stage* made, beside what the run has of it."""
    found = record.stage(stage.id)
    own: Mapping[str, ArtifactRef] = found.outputs if found is not None and found.state == "done" else {}
    store = after.store()
    refs = [after.artifacts[name] for name in stage.makes]
    return [Made(ref, store.path(ref), own[ref.name].sha256 == ref.sha256 if ref.name in own else None) for ref in refs]
