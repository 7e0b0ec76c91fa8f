"""One stage on a finished run's artifacts: for looking at it, without touching the run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from quantflow.data.store import ArtifactRef
from quantflow.errors import ConfigError, unknown_name
from quantflow.pipeline.stage import SelectionContext, Stage
from quantflow.review.facts import facts_of
from quantflow.runs.run import Run
from quantflow.types import Json


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

    def json(self) -> Json:
        """Return the artifact as JSON values."""
        return {**self.ref.json(), "path": self.path, "same": self.same}


def stage_and_context(run: Run, stage_id: str) -> tuple[Stage, SelectionContext]:
    """Return a stage of a run, and the context that holds what the run's other stages have made.

    Raises:
        ConfigError: If the run has no such stage, or has not made what it needs.
    """
    stages = {stage.id: stage for stage in run.pipeline()}
    if stage_id not in stages:
        raise unknown_name("stage", stage_id, stages)
    stage = stages[stage_id]
    artifacts = {name: ref for name, ref in run.outputs.items() if name not in stage.makes}
    if missing := sorted(set(stage.needs) - set(artifacts) - {"run"}):
        raise ConfigError(
            f"Run {run.id} has not made {', '.join(missing)}, which stage {stage_id!r} needs.",
            hint=f"Finish it first: quantflow resume {run.id}",
        )
    facts = facts_of(run) if "run" in stage.needs else {}
    return stage, replace(run.context(), artifacts=artifacts, facts=facts)


def made_by(run: Run, stage: Stage, after: SelectionContext) -> list[Made]:
    """Return what *stage* made, beside what the run has of it."""
    own, store = run.outputs, after.store()
    refs = [after.artifacts[name] for name in stage.makes]
    return [Made(ref, store.path(ref), own[ref.name].sha256 == ref.sha256 if ref.name in own else None) for ref in refs]
