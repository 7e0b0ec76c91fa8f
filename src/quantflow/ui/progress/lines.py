"""Progress of a run as lines: plain ones, those of a log that a machine reads, or JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from quantflow.runs.run import Run
from quantflow.ui.emit import emit
from quantflow.ui.log import log
from quantflow.ui.progress.grid import TAG, sleeve_rows
from quantflow.ui.progress.rows import Row, changed, rows, utc_now
from quantflow.ui.progress.usual import Forecasts
from quantflow.ui.sweeps.progress import TrialsView

if TYPE_CHECKING:
    from quantflow.flows.states import Snapshot, TaskState

WHOLE = "all"
"""What stands for a sleeve as a whole where a stage of it would stand."""

NOTE_EVERY = timedelta(seconds=5)
"""How often a line tells how far a running stage has come."""


class Lines:
    """One line per change of a task's state, and now and then one that tells how far a running stage has come.

    Args:
        record: The run.
        write: What to do with a changed row.
        clock: What time it is.
    """

    def __init__(
        self,
        record: Run,
        write: Callable[[Run, Row], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._record, self._write, self._clock = record, write, clock
        self._noted: dict[str, datetime] = {}
        self._tasks: dict[str, TaskState] = {}
        self._told: dict[str, TaskState] = {}
        self._stages = {leaf.name: leaf.run.header.stages for leaf in record.leaves()}
        self._sleeves = list(self._stages)
        self._trials = TrialsView(record)
        self._forecasts = Forecasts(record)
        self._shown: list[Row] = []

    def update(self, tasks: Snapshot) -> None:
        """Take a new picture and write what differs from the last one.

        What the API says of a stage may come before the record has its numbers; such a line waits for them.
        """
        self._tasks = dict(tasks)
        self._told |= {name: task for name, task in tasks.items() if not task.final or self._recorded(task)}
        self._tell(self._told)

    def close(self) -> None:
        """Write what is still untold."""
        self._tell(self._tasks)

    def _recorded(self, task: TaskState) -> bool:
        if task.name not in self._record.header.stages:
            return True
        stage = self._record.stage(task.name)
        return stage is not None and stage.state != "running"

    def _tell(self, tasks: Snapshot) -> None:
        now = self._clock()
        own = [self._forecasts.on(row) for row in rows(self._record, tasks, now)]
        fresh = self._trials.rows(tasks, now) + own + self._sleeve_rows(tasks)
        news = {row.name for row in changed(self._shown, fresh)}
        for row in fresh:
            due = self._noted.get(row.name, now) + NOTE_EVERY <= now
            if row.name in news or (due and row.note and row.state == "running"):
                self._write(self._record, row)
                self._noted[row.name] = now
        self._shown = fresh

    def _sleeve_rows(self, tasks: Snapshot) -> list[Row]:
        tries = {
            f"{tag.removeprefix(TAG)}:{task.name}": task.attempt
            for task in sorted(tasks.values(), key=lambda task: task.at)
            for tag in task.tags
            if tag.startswith(TAG)
        }
        return [
            Row(f"{sleeve.sleeve}:{stage}", state, tries.get(f"{sleeve.sleeve}:{stage}", 1))
            for sleeve in sleeve_rows(self._sleeves, tasks, self._stages)
            for stage, state in [*sleeve.cells.items(), (WHOLE, sleeve.state)]
            if state
        ]


def plain_line(record: Run, row: Row) -> None:
    """Write a changed row for a person, or a log file."""
    attempt = f"try {row.attempt}" if row.attempt > 1 else ""
    seconds = "" if row.seconds is None else f"{row.seconds:.1f}s"
    parts = (f"{row.name:<16}", f"{row.state:<13}", attempt, seconds, row.flow, row.note)
    sys.stderr.write(f"{utc_now():%H:%M:%S} " + " ".join(part for part in parts if part).rstrip() + "\n")
    sys.stderr.flush()


BAD: Mapping[str, str] = {"waiting": "warning", "failed": "error", "interrupted": "error"}
"""How bad it is that a stage is in a state; all others are news."""


def log_line(record: Run, row: Row) -> None:
    """Write a changed row to the JSON log."""
    sleeve, _, stage = row.name.rpartition(":")
    words = (row.name, row.state, f"try {row.attempt}" if row.attempt > 1 else "", row.flow, row.note)
    log(
        BAD.get(row.state, "info"),
        "stage",
        " ".join(word for word in words if word),
        stage=None if sleeve and stage == WHOLE else stage.split(" ")[0],
        sleeve=sleeve or None,
        attempt=row.attempt,
        state=row.state,
        seconds=row.seconds,
    )


def json_line(record: Run, row: Row) -> None:
    """Write a changed row to stdout as JSON."""
    emit("task", run_id=record.id, **vars(row))
