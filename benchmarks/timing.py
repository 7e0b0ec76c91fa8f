"""Whole processes side by side: interleaved runs, medians, and a markdown row per comparison."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Command = Sequence[str]


def medians(
    commands: Mapping[str, Callable[[int], Command]], cwd: Path, repeat: int = 5, env: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Return the median wall time in seconds of each command; a round runs each once, so that noise meets all alike.

    Args:
        commands: By name, what gives the command of a round: the round's number may keep it from being cached.
        cwd: Where they run.
        repeat: Rounds.
        env: Variables to add.
    """
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(repeat):
        for name, command in commands.items():
            begin = time.perf_counter()
            run(command(number), cwd, env)
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(found) for name, found in times.items()}


def kept_server(home: Path) -> dict[str, str]:
    """Return what a process needs in its environment to use the API server that is kept in the workspace *home*."""
    state = json.loads((home / ".quantflow" / "server" / "state.json").read_bytes())
    return {"PREFECT_API_URL": state["url"], "PREFECT_API_AUTH_STRING": state["credential"]}


def run(command: Command, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it wrote to standard output; fail when it fails."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def quantflow(*arguments: str) -> Command:
    """Return the command line of quantflow in this environment."""
    return (str(Path(sys.executable).with_name("quantflow")), *arguments)


def row(what: str, ours: float, floor: float, target: float | None = None, unit: str = "s") -> None:
    """Print a row of the table: figure, what it is measured against, their ratio, the target, and whether it is met.

    Without a target the row is there for comparison alone.
    """
    ratio = ours / floor
    wanted = "| |" if target is None else f"{target:g} | {'yes' if ratio <= target else 'no'} |"
    print(f"| {what} | {ours:.3g} {unit} | {floor:.3g} {unit} | {ratio:.2f} | {wanted}", flush=True)
