"""Forecasts of stages that say nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from quantflow.runs.record import StageRecord
from quantflow.ui.progress.live import waited_for
from quantflow.ui.progress.recorded import recorded
from quantflow.ui.progress.rows import Row
from quantflow.ui.progress.usual import Forecasts, usual_seconds
from recorded import Name, created, recorded_meta, without_stage

AT = datetime(2022, 12, 29, tzinfo=UTC).isoformat()


def earlier(home: Path, run_id: str, seconds: float, *, cached: bool = False) -> None:
    """Write a complete run whose stage took some seconds."""
    run = created(home, run_id)
    run.write_stage(StageRecord("ingestion", "done", started=AT, ended=AT, seconds=seconds, cached=cached))


def test_the_newest_run_that_computed_the_stage_counts(tmp_path: Path) -> None:
    """A stage from the cache says nothing of what it takes."""
    earlier(tmp_path, "a", 100.0)
    earlier(tmp_path, "b", 60.0)
    earlier(tmp_path, "c", 0.1, cached=True)
    assert usual_seconds(created(tmp_path, "now")) == {"ingestion": 60.0}


@pytest.mark.parametrize(
    ("row", "note"),
    [
        (Row("ingestion", "running", seconds=20.0), "about 0:40 left"),
        (Row("ingestion", "running", seconds=90.0), "took 1:00 last time"),
        (Row("ingestion", "running", seconds=1.0), ""),
        (Row("ingestion", "running", seconds=20.0, note="3 / 9 symbols"), "3 / 9 symbols"),
        (Row("ingestion", "completed", seconds=20.0), ""),
        (Row("features", "running", seconds=20.0), ""),
    ],
)
def test_a_running_stage_without_a_note_has_a_forecast(tmp_path: Path, row: Row, note: str) -> None:
    """What a stage says itself is better; what was never measured is not guessed."""
    earlier(tmp_path, "a", 60.0)
    assert Forecasts(created(tmp_path, "now")).on(row).note == note


def test_what_is_waited_for_is_said(tmp_path: Path) -> None:
    """Before anything runs it is the server, then the workers of a portfolio."""
    sleeves = recorded_meta(tmp_path, {"a": {"KO": Name([1.0, 2.0])}}, {"KO": 1.0})
    without_stage(sleeves.sleeves[0].run, "report")
    assert waited_for(sleeves, {}) == "waiting for the API server"
    sleeves.event("run.started")
    assert waited_for(sleeves, {}) == "starting Ray"
    run = created(tmp_path)
    assert waited_for(run, {}) == "waiting for the API server"
    run.write_stage(StageRecord("ingestion", "done", started=AT, ended=AT))
    assert waited_for(run, recorded(run.again())) is None
