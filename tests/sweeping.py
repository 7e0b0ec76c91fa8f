"""A small sweep in processes of its own, killed and resumed; and what must hold of it in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from processes import bare_environment, run_cli
from quantflow.runs.find import find_run
from quantflow.runs.kinds import Sweep

SETS = ("data.start=2019-01-01", "validation.min_history=504", "rebalance.every=quarterly", "execution.runner=local")
OVER = ("--over", "policy.top_n=1,2,3", "--over", "allocation.method=hrp,equal_weight")
SETTINGS = [word for line in SETS for word in ("--set", line)]
COMMAND = ("sweep", "-p", "demo", "--as-of", "2022-12-28", *OVER, *SETTINGS, "--no-progress")
MADE = ("trials", "trial_returns", "sweep", "nested_returns")


def start(home: Path, *more: str) -> subprocess.Popen[bytes]:
    """Start the sweep."""
    command = [sys.executable, "-m", "quantflow", *COMMAND, *more]
    nothing = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=home, env=bare_environment(), stdout=nothing, stderr=nothing)


def ended(home: Path, run_id: str) -> int:
    """How many of its trials have a record."""
    return len(list((home / "runs" / run_id / "trials").glob("[0-9]*.json")))


def kill_after(process: subprocess.Popen[bytes], home: Path, run_id: str, trials: int) -> int:
    """Kill the sweep, and nothing else, once so many trials have ended; return how many that were by then."""
    until = time.monotonic() + 120
    while ended(home, run_id) < trials:
        assert process.poll() is None, "the sweep was over before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return ended(home, run_id)


def undisturbed(home: Path) -> Sweep:
    """The sweep as it is when nothing happens."""
    found = run_cli(*COMMAND, "--run-id", "quiet", cwd=home)
    assert found.returncode == 0, found.stderr
    return swept(home, "quiet")


def swept(home: Path, run_id: str) -> Sweep:
    """The sweep as its folder has it."""
    run = find_run(home, run_id)
    assert isinstance(run, Sweep)
    return run


def check(run: Sweep, quiet: Sweep) -> None:
    """Complete, to the byte what the undisturbed one is, and no stage was computed twice."""
    assert (run.state, run.due()) == ("completed", [])
    assert {name: run.outputs[name].sha256 for name in MADE} == {name: quiet.outputs[name].sha256 for name in MADE}
    assert (run.folder / "trials.csv").read_bytes() == (quiet.folder / "trials.csv").read_bytes()
    results = [result for trial in run.trials if (result := trial.result) is not None]
    computed = [result.keys[stage] for result in results for stage in result.computed]
    assert len(computed) == len(set(computed))
