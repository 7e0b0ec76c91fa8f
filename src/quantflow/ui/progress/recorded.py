"""What a run's record says of its tasks: enough to follow a run of another process, with no server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from quantflow.flows.states import Snapshot, TaskState
from quantflow.runs.kinds import Sweep
from quantflow.runs.record import StageRecord
from quantflow.runs.run import Run
from quantflow.ui.progress.grid import TAG

POLL_SECONDS = 0.5
KINDS = {"completed": "COMPLETED", "cached": "COMPLETED", "failed": "FAILED", "interrupted": "CRASHED"}
"""Prefect's type of each state in which a task ends."""


def watched(run: Run) -> Iterator[Snapshot]:
    """Yield what is known of a run's tasks, again and again, until it has ended."""
    while True:
        now = run.again()
        yield recorded(now)
        if now.state != "running":
            return
        time.sleep(POLL_SECONDS)


def recorded(run: Run) -> Snapshot:
    """Return what the record of a run, and of its sleeves or trials, says of its tasks."""
    tasks = _stages(run, "")
    for leaf in run.leaves():
        each = leaf.run
        tasks += _stages(each, leaf.name)
        tasks.append(_task(f"sleeve {leaf.name}", _sleeve_state(each)))
    for trial in run.trials if isinstance(run, Sweep) else ():
        if (result := trial.result) is not None:
            tasks.append(_task(f"trial {trial.name}", "failed" if result.state == "lost" else result.state))
    return {task.id: task for task in tasks}


def _sleeve_state(run: Run) -> str:
    begun = any(stage is not None for stage in run.stages.values())
    return run.state if begun or run.state == "running" else "pending"


def _stages(run: Run, sleeve: str) -> list[TaskState]:
    return [
        _task(stage.stage, run.stage_state(stage.stage), sleeve, stage)
        for stage in run.stages.values()
        if stage is not None
    ]


def _task(name: str, state: str, sleeve: str = "", stage: StageRecord | None = None) -> TaskState:
    when = (stage.ended or stage.started) if stage else ""
    at = datetime.fromisoformat(when) if when else datetime.min.replace(tzinfo=UTC)
    tags = frozenset({f"{TAG}{sleeve}"} if sleeve else ())
    attempt = stage.attempt if stage else 1
    return TaskState(f"{sleeve}:{name}", name, state, KINDS.get(state, "RUNNING"), at, attempt, tags=tags)
