"""The rows of a progress view: what Prefect's API says of each stage, with the numbers from the run's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quantflow.runs.record import StageRecord
from quantflow.runs.run import Run
from quantflow.ui.progress.marks import shown

if TYPE_CHECKING:
    from quantflow.flows.states import TaskState


@dataclass(frozen=True)
class Row:
    """One line of the view.

    Attributes:
        name: The stage's id, or the name of a part of it.
        state: A word of ``quantflow.ui.progress.marks``; ``pending`` before the API knows of it.
        attempt: 1 for the first try.
        seconds: Time so far, or in all; None before it started.
        flow: Symbols in and out, e.g. ``20 → 6``.
        note: One short line.
        part: Whether it is a part of the stage above it.
    """

    name: str
    state: str = "pending"
    attempt: int = 1
    seconds: float | None = None
    flow: str = ""
    note: str = ""
    part: bool = False


def rows(record: Run, tasks: Mapping[str, TaskState], now: datetime) -> list[Row]:
    """Return a row per stage in the run's order, each followed by its parts.

    Args:
        record: The run: its stages, and what each had to say.
        tasks: The API's picture.
        now: The time on the clock, for elapsed times and countdowns.
    """
    own = [task for task in tasks.values() if not any(tag.startswith("sleeve:") for tag in task.tags)]
    latest = {task.name: task for task in sorted(own, key=lambda t: t.at)}
    out: list[Row] = []
    for stage in record.header.stages:
        out.append(_row(stage, latest.get(stage), record.stage(stage), now))
        parts = sorted(name for name in latest if name.startswith(f"{stage} "))
        out += [Row(name, shown(latest[name].state), part=True) for name in parts]
    return out


def _row(name: str, task: TaskState | None, stage: StageRecord | None, now: datetime) -> Row:
    if task is None:
        return Row(name)
    summary = stage.summary if stage and task.final else None
    return Row(
        name,
        shown(task.state),
        task.attempt,
        _seconds(stage, now),
        counts(summary.entered, summary.left) if summary else "",
        _countdown(task, now) or _note(stage, task) or _error(stage, task),
    )


def _note(stage: StageRecord | None, task: TaskState) -> str:
    """Return what a finished stage has to say, or how far a running one has come."""
    if stage is None or not (task.final or (shown(task.state) == "running" and stage.state == "running")):
        return ""
    return stage.summary.note


def counts(entered: int | None, left: int | None) -> str:
    """Return symbols in and out as ``20 → 6``; empty when unknown."""
    if left is None:
        return ""
    return f"{left}" if entered is None else f"{entered} → {left}"


def _seconds(stage: StageRecord | None, now: datetime) -> float | None:
    if stage is None:
        return None
    if stage.seconds is not None:
        return stage.seconds
    return max(0.0, (now - datetime.fromisoformat(stage.started)).total_seconds())


def _countdown(task: TaskState, now: datetime) -> str:
    if shown(task.state) != "waiting" or task.due is None:
        return ""
    return f"tries again in {max(0, round((task.due - now).total_seconds()))} s"


def _error(stage: StageRecord | None, task: TaskState) -> str:
    if task.kind == "FAILED" and stage and stage.error:
        return str(stage.error["message"])
    return ""


def changed(before: Sequence[Row], after: Sequence[Row]) -> list[Row]:
    """Return the rows of *after* whose state or attempt differs from *before*."""
    had = {row.name: (row.state, row.attempt) for row in before}
    return [row for row in after if had.get(row.name, ("pending", 1)) != (row.state, row.attempt)]


def utc_now() -> datetime:
    """Return the time on the clock."""
    return datetime.now(UTC)
