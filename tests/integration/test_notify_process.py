"""Notifications of real processes."""

from __future__ import annotations

from pathlib import Path

from processes import run_cli
from receiver import receiving


def test_a_run_that_fails_is_heard_of(tmp_path: Path) -> None:
    """Of a job that cron starts and nobody watches, the web hook gets what happened; the exit code stays."""
    with receiving() as there:
        (tmp_path / "quantflow.toml").write_text(f'[profiles.p]\nextends = "demo"\nnotify = ["{there.address}"]\n')
        ended = run_cli("select", "-p", "p", "--as-of", "1979-12-31", "-q", cwd=tmp_path)
    assert ended.returncode == 21
    assert there.titles == ["quantflow p: failed"]
    assert "is after the as-of" in there.posts[0]["message"]
