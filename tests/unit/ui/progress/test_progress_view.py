"""The progress view: what is drawn from the API's picture and the run's record."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from quantflow.flows.states import TaskState
from quantflow.pipeline.stage import Summary
from quantflow.runs.record import StageRecord
from quantflow.runs.run import Run
from quantflow.ui.progress.grid import sleeve_rows
from quantflow.ui.progress.lines import NOTE_EVERY, Lines
from quantflow.ui.progress.live import LiveView
from quantflow.ui.progress.rows import Row, changed, rows
from quantflow.ui.progress.show import progress
from recorded import created

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
STAGES = ["ingestion", "features", "policy"]


@pytest.fixture
def record(tmp_path: Path) -> Run:
    return created(tmp_path, "run-1", stages=tuple(STAGES))


def task(name: str, state: str, kind: str, **more: object) -> TaskState:
    return TaskState(f"id-{name}", name, state, kind, NOW, **more)  # type: ignore[arg-type]


def test_every_stage_has_a_row_from_the_start(record: Run) -> None:
    """Before the API knows anything, all stages are pending, in order."""
    assert [(row.name, row.state) for row in rows(record, {}, NOW)] == [(name, "pending") for name in STAGES]


@pytest.mark.parametrize(("state", "kind"), [("Crashed", "CRASHED"), ("Cancelled", "CANCELLED")])
def test_what_a_signal_ends_is_called_interrupted(state: str, kind: str, record: Run) -> None:
    """As everywhere else, whichever name Prefect has for it; of a stage, of a part of one and of a sleeve."""
    tasks = {name: task(name, state, kind) for name in ("policy", "policy level 1", "sleeve a")}
    found = {row.name: row.state for row in rows(record, tasks, NOW)}
    assert (found["policy"], found["policy level 1"]) == ("interrupted", "interrupted")
    assert sleeve_rows(["a"], tasks)[0].state == "interrupted"


def test_a_retry_counts_down(record: Run) -> None:
    """An awaited retry shows its attempt and the seconds that are left."""
    waiting = task("ingestion", "waiting", "SCHEDULED", attempt=2, due=NOW + timedelta(seconds=7))
    row = rows(record, {"a": waiting}, NOW)[0]
    assert (row.attempt, row.note) == (2, "tries again in 7 s")
    assert rows(record, {"a": waiting}, NOW + timedelta(seconds=9))[0].note == "tries again in 0 s"


def test_a_finished_stage_shows_symbols_time_and_note(record: Run) -> None:
    """In, out and note come from the run's record, once the API says that the task is over."""
    record.write_stage(
        StageRecord("features", "done", started=NOW.isoformat(), seconds=1.25, summary=Summary(20, 18, "ok"))
    )
    row = rows(record, {"b": task("features", "completed", "COMPLETED")}, NOW)[1]
    assert row == Row("features", "completed", 1, 1.25, "20 → 18", "ok")


def test_a_running_stage_shows_how_far_it_has_come(record: Run) -> None:
    """What a stage notes is on its row while it runs; the record that comes after it has only its own note."""
    record.write_stage(StageRecord("ingestion", "running", started=NOW.isoformat()))
    record.note("ingestion", "1,234 / 5,000 symbols")
    running = {"a": task("ingestion", "running", "RUNNING")}
    assert rows(record, running, NOW)[0].note == "1,234 / 5,000 symbols"
    record.write_stage(StageRecord("ingestion", "done", started=NOW.isoformat()))
    record.note("ingestion", "too late")
    assert rows(record, {"a": task("ingestion", "completed", "COMPLETED")}, NOW)[0].note == ""


def test_lines_tell_now_and_then_how_far_a_stage_has_come(record: Run) -> None:
    """A note gets a line of its own every few seconds and no more often, and none when the stage is over."""
    told: list[tuple[str, str]] = []
    times = iter([NOW, NOW, NOW + NOTE_EVERY / 2, NOW + NOTE_EVERY, NOW + NOTE_EVERY * 1.5, NOW + NOTE_EVERY * 3])
    lines = Lines(record, lambda _, row: told.append((row.state, row.note)), clock=lambda: next(times))
    record.write_stage(StageRecord("ingestion", "running", started=NOW.isoformat()))
    for number in range(5):
        lines.update({"a": task("ingestion", "running", "RUNNING")})
        record.note("ingestion", f"{number} / 5 symbols")
    record.write_stage(StageRecord("ingestion", "done", started=NOW.isoformat(), summary=Summary(5, 5, "all")))
    lines.update({"a": task("ingestion", "completed", "COMPLETED")})
    assert told == [("running", ""), ("running", "2 / 5 symbols"), ("completed", "all")]


def test_parts_of_a_stage_follow_it(record: Run) -> None:
    """Relaxation levels are rows below their stage."""
    tasks = {str(n): task(f"policy level {n}", "completed", "COMPLETED") for n in (2, 1)}
    assert [row.name for row in rows(record, tasks, NOW)] == [*STAGES, "policy level 1", "policy level 2"]


def test_a_failure_shows_its_message(record: Run) -> None:
    """The error's message is the note of a failed row."""
    record.write_stage(StageRecord("ingestion", "failed", started=NOW.isoformat(), error={"message": "no exchange"}))
    assert rows(record, {"a": task("ingestion", "failed", "FAILED")}, NOW)[0].note == "no exchange"


def test_the_last_picture_is_what_stays_on_the_screen(record: Run) -> None:
    """When the view closes, it has drawn the newest picture, however late that came."""
    console = Console(file=StringIO(), width=90, force_terminal=True, color_system=None)
    with LiveView(record, console, clock=lambda: NOW) as view:
        view.update({"a": task("ingestion", "completed", "COMPLETED")})
    text = console.file.getvalue()  # type: ignore[attr-defined]
    last = text[text.rindex("STAGE") :]
    assert "✓ completed" in last
    assert last.count("· pending") == 2


def test_lines_tell_each_change_once(record: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Off a terminal there is one line per change, and none for news that is not new."""
    with progress(record, "lines") as update:
        assert update is not None
        for state, kind in (("running", "RUNNING"), ("running", "RUNNING"), ("completed", "COMPLETED")):
            update({"a": task("ingestion", state, kind)})
            if state == "running":
                record.write_stage(StageRecord("ingestion", "done", started=NOW.isoformat(), seconds=1.0))
    out = capsys.readouterr()
    head, *lines = out.err.splitlines()
    assert head == "run-1  as-of 2022-12-28"
    assert [line.split()[2] for line in lines] == ["running", "completed"]
    assert "\x1b" not in out.err
    assert out.out == ""


def test_a_line_waits_for_the_numbers_of_its_stage(record: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The API may be faster than the record: what a stage's line says is complete, and never goes back."""
    with progress(record, "lines") as update:
        assert update is not None
        update({"a": task("ingestion", "running", "RUNNING")})
        update({"a": task("ingestion", "completed", "COMPLETED")})
        record.write_stage(
            StageRecord("ingestion", "done", started=NOW.isoformat(), seconds=1.0, summary=Summary(3, 2))
        )
    lines = capsys.readouterr().err.splitlines()[1:]
    assert [line.split()[2] for line in lines] == ["running", "completed"]
    assert "3 → 2" in lines[-1]


def test_json_lines_are_machine_readable(record: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line of ``--json`` is a document with a schema version, on stdout."""
    with progress(record, "json") as update:
        assert update is not None
        update({"a": task("ingestion", "running", "RUNNING")})
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(doc["schema_version"], doc["event"], doc["name"], doc["state"]) for doc in found] == [
        (1, "task", "ingestion", "running")
    ]


def test_no_progress_is_silent(record: Run) -> None:
    """``--no-progress`` listens to nothing."""
    with progress(record, "none") as update:
        assert update is None


def test_only_changed_rows_are_changed() -> None:
    """A row that says the same as before is not news."""
    before = [Row("a", "running"), Row("b")]
    assert changed(before, [Row("a", "running", seconds=3.0), Row("b", "running")]) == [Row("b", "running")]
