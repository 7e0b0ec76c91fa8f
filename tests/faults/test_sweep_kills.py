"""A sweep that is killed at random moments, again and again, and resumed."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from subprocess import TimeoutExpired

import pytest

from processes import run_cli
from quantflow.runs.kinds import Sweep
from sweeping import check, start, swept, undisturbed

MOMENTS = [f"{random.Random(number).uniform(0.5, 14.0):.2f}" for number in range(10)]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The same sweep without a fault."""
    return undisturbed(tmp_path_factory.mktemp("quiet"))


@pytest.mark.parametrize("seconds", MOMENTS)
def test_a_sweep_killed_at_any_moment_is_survived(seconds: str, fresh: Path, quiet: Sweep) -> None:
    """kill -9 at a uniformly drawn time, wherever that is in the sweep."""
    process = start(fresh, "--run-id", "hit")
    try:
        process.wait(float(seconds))
    except TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if not (fresh / "runs" / "hit" / "run.json").exists():  # killed before there was a run
        assert start(fresh, "--run-id", "hit").wait(240) == 0
    else:
        resumed = run_cli("resume", "hit", "--no-progress", cwd=fresh)
        assert resumed.returncode == 0, resumed.stderr
    check(swept(fresh, "hit"), quiet)
