"""A stage's notes reach its record, but not so often that writing them costs anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.flows import adapter
from quantflow.runs.record import StageRecord
from recorded import created


def test_notes_are_written_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of notes in quick succession the one that is due is written; the record stays that of a running stage."""
    record = created(tmp_path, stages=("a",))
    record.write_stage(StageRecord("a", "running"))
    clock = [0.0]
    monkeypatch.setattr(adapter.time, "monotonic", lambda: clock[0])
    put, seen = adapter._throttled(record, "a"), []
    for moment in (0.0, 0.9, 1.0, 1.5, 1.9, 2.5):
        clock[0] = moment
        put(f"at {moment}")
        found = record.stage("a")
        assert found is not None
        assert found.state == "running"
        seen.append(found.summary.note)
    assert seen == ["", "", "at 1.0", "at 1.0", "at 1.0", "at 2.5"]
