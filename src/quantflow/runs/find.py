"""The runs of a workspace."""

from __future__ import annotations

from pathlib import Path

from quantflow.errors import ConfigError, unknown_name
from quantflow.runs.kinds import Sweep, Unreadable, open_run, open_trial
from quantflow.runs.record import is_run_id
from quantflow.runs.run import Run


def list_runs(workspace: Path, *, sleeves: bool = False) -> list[Run]:
    """Return the workspace's runs, newest last; those of sleeves only if asked for."""
    folder = workspace / "runs"
    names = [path.name for path in folder.iterdir() if _has_record(path)] if folder.is_dir() else []
    runs = [open_run(workspace, name) for name in names if is_run_id(name)]
    return sorted((run for run in runs if sleeves or not _is_sleeve(run)), key=_number)


def find_run(workspace: Path, run_id: str) -> Run:
    """Return the run called *run_id*, or the newest for ``latest``; a trial for ``sweep/17``.

    Raises:
        ConfigError: If there is none, naming the nearest; or the trial did not succeed.
    """
    if run_id == "latest":
        if not (runs := list_runs(workspace)):
            raise ConfigError(f"There are no runs in {workspace}.", hint="Start one: quantflow select --profile demo")
        return runs[-1]
    sweep, slash, number = run_id.partition("/")
    run = open_run(workspace, sweep)
    if slash and isinstance(run, Sweep):
        return open_trial(run, number)
    if slash or not run.exists:
        raise unknown_name("run", run_id, [run.id for run in list_runs(workspace)][-20:])
    return run


def find_portfolio(workspace: Path, run_id: str) -> Run:
    """Return the run called *run_id*, or the newest for ``latest``, of those that make a portfolio: no sweep.

    Raises:
        ConfigError: If there is none, or it is a sweep.
    """
    if run_id == "latest":
        if not (runs := [run for run in list_runs(workspace) if not isinstance(run, Sweep)]):
            raise ConfigError(f"There are no runs in {workspace}.", hint="Start one: quantflow select --profile demo")
        return runs[-1]
    run = find_run(workspace, run_id)
    if isinstance(run, Sweep):
        raise ConfigError(
            f"Run {run_id} is a sweep: it has many portfolios, and none of its own.",
            hint=f"See its trials: quantflow inspect {run_id}",
        )
    return run


def _has_record(folder: Path) -> bool:
    try:
        return (folder / "run.json").exists()
    except PermissionError:  # another user's folder is not a run of ours, and hides none
        return False


def _is_sleeve(run: Run) -> bool:
    return not isinstance(run, Unreadable) and run.header.parent is not None


def _number(run: Run) -> tuple[int, str]:
    """Return what orders runs: a count, since the clock may have been set back; unreadable ones come first."""
    return (0 if isinstance(run, Unreadable) else run.header.sequence), run.id
