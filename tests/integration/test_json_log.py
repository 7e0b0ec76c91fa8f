"""The JSON log of real processes, as cron would start them: no HOME, no terminal, nothing in the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ABOUT = {"ts", "level", "event", "message", "run_id", "stage", "sleeve", "attempt", "as_of"}

EARLY = ("--set", "data.start=1970-01-01")
"""Lets a run begin that finds no prices."""


def logged(*arguments: str, cwd: Path) -> tuple[int, list[dict[str, Any]]]:
    """Run quantflow with ``QUANTFLOW_LOG=json`` and nothing else; its exit code and every line of its log."""
    command = [sys.executable, "-m", "quantflow", *arguments]
    bare = {"QUANTFLOW_LOG": "json"}
    found = subprocess.run(command, cwd=cwd, env=bare, capture_output=True, text=True, timeout=240, check=False)
    lines = [json.loads(line) for line in found.stderr.splitlines()]
    assert all(line.keys() >= ABOUT for line in lines)
    return found.returncode, lines


def test_a_run_that_fails_and_its_resume(fresh: Path) -> None:
    """Each line parses; the log says which stage failed, why, and how to go on."""
    code, lines = logged("select", "-p", "demo", "--as-of", "1979-12-31", *EARLY, "--run-id", "old", cwd=fresh)
    assert code == 21
    assert {(line["run_id"], line["as_of"]) for line in lines} == {("old", "1979-12-31")}
    failed = next(line for line in lines if line.get("state") == "failed")
    assert (failed["level"], failed["stage"], failed["attempt"]) == ("error", "ingestion", 1)
    assert lines[-2]["event"] == "run.failed"
    assert lines[-2]["resume"] == "quantflow resume old"
    assert (lines[-1]["event"], lines[-1]["exit_code"]) == ("error", 21)
    code, lines = logged("resume", "old", cwd=fresh)
    assert code == 21
    assert "resuming old" in [line["message"] for line in lines]


def test_sleeves_are_named(fresh: Path) -> None:
    """What happens in a worker process is logged too, with the sleeve's name."""
    code, lines = logged("meta", "-m", "demo_meta", "--runner", "local", "--as-of", "1979-12-31", *EARLY, cwd=fresh)
    assert code == 20
    failed = {(line["sleeve"], line["stage"]) for line in lines if line.get("state") == "failed"}
    assert {("demo", "ingestion"), ("demo_steady", "ingestion")} <= failed
    assert ("demo", None) in failed


def test_a_wrong_option_is_logged(tmp_path: Path) -> None:
    """Also what goes wrong before anything is started."""
    code, lines = logged("select", "--profil", "demo", cwd=tmp_path)
    assert code == 2
    assert lines[-1]["level"] == "error"
    code, lines = logged("select", "-p", "dmo", cwd=tmp_path)
    assert [(line["level"], line["hint"][:12]) for line in lines] == [("error", "Did you mean")]
    assert code == 2


@pytest.mark.parametrize("end", ["sys.exit(3)", "raise InfrastructureError('no disk')"])
def test_a_last_line_without_an_end_is_logged(end: str, tmp_path: Path) -> None:
    """Whoever wrote it; also when the process leaves at once."""
    code = (
        "import sys\nfrom quantflow.cli.boundary import guarded\nfrom quantflow.errors import InfrastructureError\n"
        f"with guarded(debug=False):\n    sys.stderr.write('whole\\nhalf')\n    {end}"
    )
    command = [sys.executable, "-c", code]
    bare = {**os.environ, "QUANTFLOW_LOG": "json"}
    found = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, timeout=60, check=False)
    assert {"whole", "half"} <= {json.loads(line)["message"] for line in found.stderr.splitlines()}
