"""Commands started by a supervisor that has closed standard input, output and error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from processes import SMALL, bare_environment

PROGRAM = Path(sys.executable).with_name("quantflow")


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "<&-", ">&-", "<&- 2>&-"])
def test_a_run_ends_as_any_other(closed: str, tmp_path: Path) -> None:
    """Nothing that the run opens gets the number of a standard stream: it completes, its server starts and ends."""
    sets = " ".join(f"--set {item}" for item in SMALL)
    line = f"exec {PROGRAM} select --profile demo --run-id one {sets} {closed}"
    ended = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=bare_environment(), capture_output=True, timeout=240, check=False
    )
    assert ended.returncode == 0
    record = [json.loads(path.read_text()) for path in sorted((tmp_path / "runs/one/stages").glob("*.json"))]
    assert len(record) == 9
    assert {stage["state"] for stage in record} <= {"done", "cached"}
