"""The grid of a meta run: a row per sleeve, a column per stage, filled in by what Prefect's API says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from quantflow.pipeline.registry import SELECTION
from quantflow.ui.progress.marks import MARKS, STYLES, shown

if TYPE_CHECKING:
    from quantflow.flows.states import TaskState

TAG = "sleeve:"


@dataclass(frozen=True)
class SleeveRow:
    """One line of the grid.

    Attributes:
        sleeve: Its path of ids.
        cells: The state per stage; ``pending`` before the API knows of it, empty for a stage that the
            sleeve does not have.
        state: The state of the task that runs the whole sleeve.
    """

    sleeve: str
    cells: Mapping[str, str]
    state: str


def sleeve_rows(
    sleeves: Sequence[str], tasks: Mapping[str, TaskState], stages: Mapping[str, Sequence[str]] | None = None
) -> list[SleeveRow]:
    """Return a row per sleeve, in order.

    Args:
        sleeves: Their paths of ids.
        tasks: The API's picture.
        stages: The stages of each sleeve; the built-in ones when not given. There is a column for each.
    """
    own = {name: tuple((stages or {}).get(name, SELECTION)) for name in sleeves}
    columns = dict.fromkeys(stage for listed in sorted(own.values(), key=len, reverse=True) for stage in listed)
    cells: dict[str, dict[str, str]] = {name: {} for name in sleeves}
    whole: dict[str, str] = {}
    for task in sorted(tasks.values(), key=lambda t: t.at):
        if task.name.startswith("sleeve "):
            whole[task.name.removeprefix("sleeve ")] = shown(task.state)
        for tag in task.tags:
            if tag.startswith(TAG) and tag.removeprefix(TAG) in cells:
                cells[tag.removeprefix(TAG)][task.name] = shown(task.state)
    return [
        SleeveRow(
            name,
            {stage: cells[name].get(stage, "pending") if stage in own[name] else "" for stage in columns},
            whole.get(name, "pending"),
        )
        for name in sleeves
    ]


def grid(rows: Sequence[SleeveRow], limit: int) -> Table:
    """Return the grid as a table of marks; of more than *limit* rows, those that say most.

    Args:
        rows: A row per sleeve.
        limit: How many rows fit.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("SLEEVE", no_wrap=True, overflow="ellipsis")
    for stage in rows[0].cells if rows else ():
        table.add_column(stage[:5], justify="center")
    table.add_column("", no_wrap=True)
    for row in _shown(rows, limit):
        marks = [Text(MARKS.get(state, " "), style=STYLES.get(state, "")) for state in row.cells.values()]
        table.add_row(row.sleeve, *marks, Text(row.state, style=STYLES.get(row.state, "")))
    if len(rows) > limit:
        ended = sum(row.state == "completed" for row in rows)
        table.caption, table.caption_justify = f"{ended} of {len(rows)} sleeves completed", "left"
    return table


def _shown(rows: Sequence[SleeveRow], limit: int) -> list[SleeveRow]:
    """Return at most *limit* rows in their order: failed ones first of all, then running, waiting, completed."""
    weight = {"failed": 0, "interrupted": 0, "running": 1, "waiting": 1, "retrying": 1, "pending": 2}
    order = sorted(range(len(rows)), key=lambda i: (weight.get(rows[i].state, 3), i))[:limit]
    return [rows[i] for i in sorted(order)]
