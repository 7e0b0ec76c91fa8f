"""A sweep in real processes: killed, resumed, and asked for again."""

from __future__ import annotations

from pathlib import Path

from processes import run_cli
from sweeping import COMMAND, check, kill_after, start, swept


def test_a_killed_sweep_is_resumed_where_it_was(tmp_path: Path) -> None:
    """kill -9 amid its trials: ``resume`` keeps those that ended, and the table is that of a quiet sweep.

    The same sweep asked for again is done already, and nothing is run.
    """
    fresh, still = tmp_path / "hit", tmp_path / "quiet"
    fresh.mkdir()
    still.mkdir()
    quiet = start(still, "--run-id", "quiet")  # beside the other: most of what both do is to wait
    before = kill_after(start(fresh, "--run-id", "hit"), fresh, "hit", 1)
    kept = [trial.result for trial in swept(fresh, "hit").trials]
    resumed = run_cli("resume", "hit", "--no-progress", cwd=fresh)
    assert resumed.returncode == 0, resumed.stderr
    assert f"keep  {before} trial" in resumed.stderr
    run = swept(fresh, "hit")
    assert quiet.wait(120) == 0
    check(run, swept(still, "quiet"))
    assert [trial.result for trial, result in zip(run.trials, kept, strict=True) if result] == [r for r in kept if r]
    again = run_cli(*COMMAND, cwd=fresh)
    assert (again.returncode, "hit" in again.stdout + again.stderr) == (0, True), again.stderr
    assert "done" in again.stdout + again.stderr
    assert [path.name for path in (fresh / "runs").iterdir()] == ["hit"]
