"""Progress of a run: a live table on a terminal, a line per change elsewhere, JSON lines for machines, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from quantflow.config.printable import escaped
from quantflow.runs.kinds import Sweep
from quantflow.runs.run import Run
from quantflow.ui.emit import emit
from quantflow.ui.grid import TAG, grid, sleeve_rows
from quantflow.ui.log import about, log
from quantflow.ui.marks import MARKS, STYLES
from quantflow.ui.rows import Row, changed, rows, utc_now
from quantflow.ui.screen import Screen
from quantflow.ui.sweeps.progress import TrialsView

if TYPE_CHECKING:
    from quantflow.flows.watch import TaskState

Snapshot = Mapping[str, "TaskState"]


@contextmanager
def progress(record: Run, mode: str) -> Iterator[Callable[[Snapshot], None] | None]:
    """Show a run while it goes on; yield what must be called with each new picture.

    Args:
        record: The run.
        mode: ``live``, ``lines``, ``log``, ``json`` or ``none``.
    """
    about(record.id, record.as_of)
    log("info", "run.started", f"{record.id} is started or continued", profile=record.profile)
    if mode == "live":
        with LiveView(record) as view:
            yield view.update
    elif mode == "none":
        yield None
    else:
        if mode == "lines":
            sys.stderr.write(f"{record.id}  as-of {record.as_of}\n")
        lines = Lines(record, {"json": _json_line, "log": _log_line, "lines": _plain_line}[mode])
        try:
            yield lines.update
        finally:
            lines.close()


FAILED_SHOWN = 6
"""Rows of the trials in the view: all of them together, and the first that failed."""


class LiveView:
    """A table that is redrawn in place on stderr; every number in it comes from the API or the record.

    Args:
        record: The run.
        console: Where to draw; stderr when None.
        clock: What time it is.
    """

    def __init__(self, record: Run, console: Console | None = None, clock: Callable[[], datetime] = utc_now) -> None:
        self._record, self._clock = record, clock
        self._console = console or Screen(stderr=True)
        self._stages = {leaf.name: leaf.run.header.stages for leaf in record.leaves()}
        self._sleeves = list(self._stages)
        self._trials = TrialsView(record)
        self._tasks: Snapshot = {}
        self._live = Live(
            console=self._console,
            get_renderable=self.picture,
            refresh_per_second=4,
            redirect_stdout=False,
        )

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, tasks: Snapshot) -> None:
        """Take a new picture; it is drawn with the next refresh, the last one when the view closes."""
        self._tasks = tasks

    def picture(self) -> RenderableType:
        """Return the view as it stands now: the stages, below the sleeves or trials where there are any."""
        if isinstance(self._record, Sweep):
            room = max(1, self._console.height - len(self._record.header.stages) - 6)
            return Group(self.table(), Text(), self._trials.marks(self._tasks, self._console.width, room))
        if not self._sleeves:
            return self.table()
        room = max(3, self._console.height - len(self._record.header.stages) - 6)
        return Group(grid(sleeve_rows(self._sleeves, self._tasks, self._stages), room), Text(), self.table())

    def table(self) -> Table:
        """Return the table of the run's own stages."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=True)
        for title, right in (("STAGE", 0), ("STATE", 0), ("TRY", 1), ("TIME", 1), ("SYMBOLS", 1), ("NOTE", 0)):
            table.add_column(
                title,
                justify="right" if right else "left",
                no_wrap=True,
                overflow="ellipsis",
                min_width=14 if title in ("STAGE", "STATE") else None,
                ratio=1 if title == "NOTE" else None,
            )
        table.title = f"{self._record.id}   as-of {self._record.as_of}"
        table.title_justify, table.title_style = "left", "bold"
        table.caption = None if self._tasks else "waiting for the API server"
        table.caption_justify = "left"
        now = self._clock()
        for row in [*self._trials.rows(self._tasks, now)[:FAILED_SHOWN], *rows(self._record, self._tasks, now)]:
            table.add_row(*_cells(row))
        return table


def _cells(row: Row) -> tuple[Text, ...]:
    style = STYLES.get(row.state, "")
    return (
        Text(f"  {row.name}" if row.part else row.name, style="dim" if row.part else ""),
        Text(f"{MARKS.get(row.state, ' ')} {row.state}", style=style),
        Text(str(row.attempt) if row.attempt > 1 else ""),
        Text("" if row.seconds is None or row.part else f"{row.seconds:.1f}s"),
        Text(row.flow),
        Text(escaped(row.note), style="red" if row.state == "Failed" else "dim"),
    )


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
        fresh = self._trials.rows(tasks, now) + rows(self._record, tasks, now) + self._sleeve_rows(tasks)
        news = {row.name for row in changed(self._shown, fresh)}
        for row in fresh:
            due = self._noted.get(row.name, now) + NOTE_EVERY <= now
            if row.name in news or (due and row.note and row.state == "Running"):
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


def _plain_line(record: Run, row: Row) -> None:
    attempt = f"try {row.attempt}" if row.attempt > 1 else ""
    seconds = "" if row.seconds is None else f"{row.seconds:.1f}s"
    parts = (f"{row.name:<16}", f"{row.state:<13}", attempt, seconds, row.flow, row.note)
    sys.stderr.write(f"{utc_now():%H:%M:%S} " + " ".join(part for part in parts if part).rstrip() + "\n")
    sys.stderr.flush()


BAD: Mapping[str, str] = {"AwaitingRetry": "warning", "Failed": "error", "Interrupted": "error"}
"""How bad it is that a stage is in a state; all others are news."""


def _log_line(record: Run, row: Row) -> None:
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


def _json_line(record: Run, row: Row) -> None:
    emit("task", run_id=record.id, **vars(row))
