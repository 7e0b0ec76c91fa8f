"""What is known of a run from its record alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from quantflow.pipeline.stage import Summary
from quantflow.runs.lock import owned
from quantflow.runs.record import StageRecord
from quantflow.ui.progress.grid import sleeve_rows
from quantflow.ui.progress.recorded import recorded, watched
from quantflow.ui.progress.rows import rows
from recorded import Name, created, recorded_meta
from swept import done, sweep

NOW = datetime(2022, 12, 29, tzinfo=UTC)
STAGES = ("ingestion", "features", "policy")


def test_stages_of_another_process_are_seen_as_they_go(tmp_path: Path) -> None:
    """A running stage says how far it is, a finished one what it found, one that was not begun that it waits."""
    run = created(tmp_path, stages=STAGES)
    at = NOW.isoformat()
    run.write_stage(StageRecord("ingestion", "done", started=at, ended=at, seconds=1.0, summary=Summary(3, 2, "all")))
    run.write_stage(StageRecord("features", "running", started=at, summary=Summary(note="2 / 5")))
    with owned(run.folder):
        run.event("run.started")
        seen = run.again()
        found = [(row.name, row.state, row.flow, row.note) for row in rows(seen, recorded(seen), NOW)]
    assert found == [
        ("ingestion", "completed", "3 → 2", "all"),
        ("features", "running", "", "2 / 5"),
        ("policy", "pending", "", ""),
    ]


def test_what_a_dead_process_left_is_interrupted_and_the_watch_ends(tmp_path: Path) -> None:
    """Nobody waits for a run whose owner is gone."""
    run = created(tmp_path, stages=STAGES)
    run.write_stage(StageRecord("ingestion", "running", started=NOW.isoformat()))
    (picture,) = watched(run)
    assert [task.state for task in picture.values()] == ["interrupted"]


def test_sleeves_have_their_cells(tmp_path: Path) -> None:
    """The grid of a meta run is filled from the runs of its sleeves."""
    run = recorded_meta(tmp_path, {"a": {"KO": Name([1.0, 2.0])}, "b": {"PEP": Name([1.0, 2.0])}}, {"KO": 1.0})
    first, _ = sleeve_rows(["a", "b"], recorded(run))
    assert (first.cells["ingestion"], first.cells["policy"]) == ("completed", "completed")


def test_trials_that_have_ended_are_known(tmp_path: Path) -> None:
    """Those of a sweep count as they are recorded."""
    run = sweep(tmp_path)
    done(run, run.trials[1])
    assert [(task.name, task.state) for task in recorded(run.again()).values()] == [("trial 2", "completed")]
