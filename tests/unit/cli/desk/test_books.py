"""What the commands say of books and runs that are not as they should be."""

from __future__ import annotations

import json
from pathlib import Path

from processes import run_cli
from quantflow.runs.lock import owned
from recorded import recorded, without_stage


def test_status_names_a_broken_book(tmp_path: Path) -> None:
    """In words and in JSON, with the command that publishes it again; a profile that is not asked for is left out."""
    run_id = recorded(tmp_path, {}, {"KO": 1.0}).id
    (tmp_path / "current").mkdir()
    (tmp_path / "current" / "demo").symlink_to(".books/demo/gone")
    shown = run_cli("status", cwd=tmp_path)
    assert f"demo  broken book: current/demo is a link to nothing  quantflow publish {run_id}" in shown.stdout
    (found,) = json.loads(run_cli("status", "--json", cwd=tmp_path).stdout)["broken_books"]
    assert found == {
        "profile": "demo",
        "problem": "current/demo is a link to nothing",
        "fix": f"quantflow publish {run_id}",
    }


def test_inspect_shows_why_a_run_failed_before_its_first_stage(tmp_path: Path) -> None:
    """The reason is in the record's events alone."""
    record = recorded(tmp_path, {}, {"KO": 1.0})
    for stage in record.stages:
        without_stage(record, stage)
    record.event("run.failed", error="InfrastructureError", message="Ray is not there.", hint="start it")
    shown = run_cli("inspect", "latest", cwd=tmp_path)
    assert "failed" in shown.stdout
    assert "error   Ray is not there.\nhint    start it\n" in shown.stdout
    found = json.loads(run_cli("inspect", "latest", "--json", cwd=tmp_path).stdout)["error"]
    assert found == {"type": "InfrastructureError", "message": "Ray is not there.", "hint": "start it"}


def test_gc_names_what_it_leaves_alone(tmp_path: Path) -> None:
    """A link in place of a run, with the reason; a run at work, which keeps the files; the others go."""
    live, old = (recorded(tmp_path, {}, {"KO": weight}) for weight in (1.0, 0.5))
    (tmp_path / "runs" / "link").symlink_to(old.folder)
    with owned(live.folder):
        shown = run_cli("gc", "--keep", "0", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "left alone: link: runs/link is a link" in shown.stderr
    assert f"Skipping files while runs are in progress: {live.id}" in shown.stderr
    assert shown.stdout.split() == [old.id]
    assert live.folder.exists()
