"""Progress of a run as a table that is redrawn in place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from quantflow.config.printable import escaped
from quantflow.runs.kinds import Sweep
from quantflow.runs.run import Run
from quantflow.ui.progress.grid import grid, sleeve_rows
from quantflow.ui.progress.marks import MARKS, STYLES, shown
from quantflow.ui.progress.rows import Row, rows, utc_now
from quantflow.ui.progress.usual import Forecasts
from quantflow.ui.screen import Screen
from quantflow.ui.sweeps.progress import TrialsView

if TYPE_CHECKING:
    from quantflow.flows.states import Snapshot

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
        self._forecasts = Forecasts(record)
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
        table.caption = waited_for(self._record, self._tasks)
        table.caption_justify = "left"
        now = self._clock()
        for row in [*self._trials.rows(self._tasks, now)[:FAILED_SHOWN], *rows(self._record, self._tasks, now)]:
            table.add_row(*_cells(self._forecasts.on(row)))
        return table


def waited_for(run: Run, tasks: Snapshot) -> str | None:
    """Return what a run waits for before its first task runs; None once that does."""
    if not tasks and not run.begun:
        return "waiting for the API server"
    if run.due() and all(shown(task.state) == "pending" for task in tasks.values()):
        ray = run.header.settings.get("execution", {}).get("runner", "auto") != "local"
        return "starting Ray" if ray else "starting worker processes"
    return None


def _cells(row: Row) -> tuple[Text, ...]:
    style = STYLES.get(row.state, "")
    return (
        Text(f"  {row.name}" if row.part else row.name, style="dim" if row.part else ""),
        Text(f"{MARKS.get(row.state, ' ')} {row.state}", style=style),
        Text(str(row.attempt) if row.attempt > 1 else ""),
        Text("" if row.seconds is None or row.part else f"{row.seconds:.1f}s"),
        Text(row.flow),
        Text(escaped(row.note), style="red" if row.state == "failed" else "dim"),
    )
