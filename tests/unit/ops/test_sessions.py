"""How the sessions went, from run records and calendars."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from quantflow.config.load import load_profile
from quantflow.errors import ConfigError
from quantflow.ops.sessions import Mark, nights_of
from quantflow.pipeline.stage import Summary
from quantflow.runs.create import create_run
from quantflow.runs.lock import owned
from quantflow.runs.record import RunRecord, StageRecord


def run(workspace: Path, day: str, state: str = "done", *, created: str | None = None, degraded: bool = False) -> str:
    """Make a run of the demo profile for a session; complete, or with a failed stage."""
    profile = load_profile("demo", workspace=workspace)
    record = create_run(profile, workspace, date.fromisoformat(day))
    record.update(created=created or f"{day}T23:00:00.000+00:00")
    stages = record.header.stages if state == "done" else record.header.stages[:1]
    for name in stages:
        record.write_stage(StageRecord(name, state, summary=Summary(degraded=degraded)))
    return record.id


def marks(workspace: Path, **options: object) -> dict[str, str]:
    (found,) = nights_of(workspace, 99, **options)  # type: ignore[arg-type]
    return {night.day.isoformat()[5:]: night.mark.value for night in found.nights}


def test_each_weekday_has_its_mark(tmp_path: Path) -> None:
    """Done, degraded, late, failed, at work, never run, closed: one mark each, up to the data's last day."""
    run(tmp_path, "2022-12-19")
    run(tmp_path, "2022-12-20", degraded=True)
    run(tmp_path, "2022-12-21", created="2022-12-24T01:00:00.000+00:00")
    failed = run(tmp_path, "2022-12-22", "failed")
    live = run(tmp_path, "2022-12-27", "running")
    with owned(RunRecord(tmp_path, live).folder):
        assert marks(tmp_path) == {
            "12-19": "completed",
            "12-20": "degraded",
            "12-21": "late",
            "12-22": "failed",
            "12-23": "missed",
            "12-26": "closed",
            "12-27": "running",
            "12-28": "missed",
        }
        (found,) = nights_of(tmp_path, 99)
        assert [(night.day.day, night.run_id) for night in found.due] == [(22, failed), (23, None), (28, None)]
        assert found.note.startswith("no data after 2022-12-28")


def test_a_complete_run_outweighs_a_failed_one_of_the_session(tmp_path: Path) -> None:
    """A session is done as soon as one run of it is complete, whatever else failed before or after."""
    run(tmp_path, "2022-12-28", "failed")
    good = run(tmp_path, "2022-12-28")
    run(tmp_path, "2022-12-28", "failed")
    (found,) = nights_of(tmp_path, 99)
    assert [(night.mark, night.run_id) for night in found.nights] == [(Mark.COMPLETED, good)]


def test_a_window_a_beginning_and_a_profile_can_be_asked_for(tmp_path: Path) -> None:
    """The newest sessions, or those since a date before the first run; a profile that never ran is named."""
    run(tmp_path, "2022-12-28")
    (found,) = nights_of(tmp_path, 2, since=date(2022, 12, 1))
    assert [night.day for night in found.nights] == [date(2022, 12, 27), date(2022, 12, 28)]
    assert marks(tmp_path, since=date(2022, 12, 27)) == {"12-27": "missed", "12-28": "completed"}
    with pytest.raises(ConfigError, match="demo_momentum was never run"):
        nights_of(tmp_path, 9, ["demo_momentum"])
    assert nights_of(tmp_path / "empty", 9) == []
