"""A sweep that is killed at random moments, again and again, and resumed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import TimeoutExpired

import pytest

from processes import bare_environment, run_cli
from quantflow.runs.kinds import Sweep
from sweeping import COMMAND, check, ended, start, swept, undisturbed

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


def test_ctrl_c_ends_all_processes_of_a_sweep(fresh: Path, quiet: Sweep) -> None:
    """A terminal sends the signal to the workers too: the sweep ends within seconds, says how to go on, and goes on."""
    command = [sys.executable, "-m", "quantflow", *COMMAND, "--run-id", "hit"]
    process = subprocess.Popen(
        command, cwd=fresh, env=bare_environment(), stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    until = time.monotonic() + 120
    while not ended(fresh, "hit"):
        assert time.monotonic() < until
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)  # all that have its standard error are gone by then
    assert process.returncode == 130
    assert "quantflow resume hit" in said
    assert run_cli("resume", "hit", "--no-progress", cwd=fresh).returncode == 0
    check(swept(fresh, "hit"), quiet)
