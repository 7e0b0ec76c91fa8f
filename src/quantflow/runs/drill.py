"""The drill: kill a run in every stage, resume it, and compare with a run that nothing disturbed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantflow.errors import InfrastructureError
from quantflow.runs.record import RunRecord
from quantflow.runs.run import open_run

POLL_SECONDS = 0.005
PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True)
class Trial:
    """One stage of the drill.

    Attributes:
        stage: In which the run was killed.
        killed: Whether the kill hit while the stage ran.
        resumed: Whether ``resume`` completed the run.
        equal: Whether its weights are the undisturbed run's, byte for byte.
    """

    stage: str
    killed: bool
    resumed: bool
    equal: bool

    @property
    def passed(self) -> bool:
        """Whether the promise held."""
        return self.killed and self.resumed and self.equal


def drill(workspace: Path, profile: str, overrides: Sequence[str] = ()) -> Iterator[Trial]:
    """Kill a run of *profile* in each stage, resume it, and yield what came of it.

    The runs have a store of their own, so that nothing comes from the cache, and are removed afterwards.

    Args:
        workspace: The folder of ``quantflow.toml``.
        profile: The profile.
        overrides: ``section.key=value`` lines.

    Raises:
        InfrastructureError: If the undisturbed run does not complete.
    """
    folder = Path(tempfile.mkdtemp(prefix="drill-", dir=_own(workspace)))
    names: list[str] = []

    def command(run_id: str, stage: str) -> list[str]:
        names.append(run_id)
        sets = [part for line in (*overrides, f"execution.store={folder / stage}") for part in ("--set", line)]
        return ["select", "--profile", profile, "--run-id", run_id, "--no-progress", *sets]

    try:
        quiet = f"{folder.name}-undisturbed"
        if _run(workspace, command(quiet, "undisturbed")) != 0:
            raise InfrastructureError(
                f"The undisturbed run of {profile!r} did not complete.", hint=f"quantflow select --profile {profile}"
            )
        expected = _weights(workspace, quiet)
        for stage in RunRecord(workspace, quiet).header.stages:
            yield _trial(workspace, stage, command(f"{folder.name}-{stage}", stage), expected)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for name in names:
            shutil.rmtree(workspace / "runs" / name, ignore_errors=True)


def _own(workspace: Path) -> Path:
    folder = workspace / ".quantflow"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _trial(workspace: Path, stage: str, command: Sequence[str], expected: bytes) -> Trial:
    run_id = command[command.index("--run-id") + 1]
    killed = _kill_in(workspace, run_id, stage, command)
    resumed = _run(workspace, ["resume", run_id, "--no-progress"]) == 0
    return Trial(stage, killed, resumed, resumed and _weights(workspace, run_id) == expected)


def _kill_in(workspace: Path, run_id: str, stage: str, command: Sequence[str]) -> bool:
    """Start the run and kill -9 it as soon as its record says that *stage* runs."""
    process = _start(workspace, command)
    record = RunRecord(workspace, run_id)
    runs = _waiter(lambda: record.exists and (s := record.stage(stage)) is not None and s.state == "running")
    while process.poll() is None and not runs():
        time.sleep(POLL_SECONDS)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
    return process.returncode == -signal.SIGKILL and open_run(workspace, run_id).state == "interrupted"


def _waiter(condition: Callable[[], bool]) -> Callable[[], bool]:
    until = time.monotonic() + PATIENCE_SECONDS
    return lambda: condition() or time.monotonic() > until


def _start(workspace: Path, command: Sequence[str]) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-P", "-m", "quantflow", *command, "--workspace", str(workspace)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(line, stdin=quiet, stdout=quiet, stderr=quiet, env=dict(os.environ))


def _run(workspace: Path, command: Sequence[str]) -> int:
    return _start(workspace, command).wait()


def _weights(workspace: Path, run_id: str) -> bytes:
    return (workspace / "runs" / run_id / "weights.csv").read_bytes()
