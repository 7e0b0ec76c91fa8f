"""The sleeves × stages grid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

from rich.console import Console

from quantflow.flows.states import TaskState
from quantflow.ui.progress.grid import SleeveRow, grid, sleeve_rows

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def task(number: int, name: str, state: str, *tags: str) -> TaskState:
    return TaskState(str(number), name, state, "RUNNING", NOW + timedelta(seconds=number), tags=frozenset(tags))


def test_each_task_fills_the_cell_of_its_sleeve_and_stage() -> None:
    """Tasks are told apart by the sleeve's tag; the sleeve's own task gives the state of the row."""
    tasks = [
        task(1, "sleeve a", "running"),
        task(2, "features", "completed", "sleeve:a"),
        task(3, "features", "running", "sleeve:in/b"),
        task(4, "features", "failed", "sleeve:other"),
    ]
    rows = sleeve_rows(["a", "in/b"], {t.id: t for t in tasks}, dict.fromkeys(("a", "in/b"), ("ingestion", "features")))
    assert rows == [
        SleeveRow("a", {"ingestion": "pending", "features": "completed"}, "running"),
        SleeveRow("in/b", {"ingestion": "pending", "features": "running"}, "pending"),
    ]


def test_where_not_all_rows_fit_the_telling_ones_are_shown() -> None:
    """failed and running sleeves are never hidden behind completed ones, and the rest is counted."""
    states = ["completed"] * 50 + ["failed"] + ["completed"] * 20 + ["running"]
    rows = [SleeveRow(f"s{i}", {"features": state}, state) for i, state in enumerate(states)]
    console = Console(file=StringIO(), width=80, color_system=None)
    console.print(grid(rows, limit=5))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "s50" in text
    assert "s71" in text
    assert "70 of 72 sleeves" in text
    assert len(text.splitlines()) <= 8


def test_no_sleeve_is_no_grid() -> None:
    """A grid of nothing is empty and draws."""
    assert sleeve_rows([], {}) == []
    assert grid([], 5).row_count == 0
