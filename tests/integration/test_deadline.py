"""A run that is to end at a time ends then."""

from __future__ import annotations

from pathlib import Path

from processes import run_cli


def test_a_run_ends_at_its_deadline_and_can_be_resumed(fresh: Path, asked: tuple[str, list[str]]) -> None:
    """Exit code 143, the deadline and the resume command on stderr, and the health check told."""
    ended = run_cli("select", "-p", "demo", "--deadline", "2s", "--ping", asked[0], cwd=fresh)
    assert ended.returncode == 143, ended.stderr
    assert "the deadline, 2s, has passed: interrupting the run" in ended.stderr
    assert asked[1] == ["/uuid/start", "/uuid/fail"]
    assert "Traceback" not in ended.stderr
