"""The runs of a workspace."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from quantflow.errors import ConfigError, unknown_name
from quantflow.runs.kinds import Newer, Sweep, Unreadable, open_run, open_trial
from quantflow.runs.record import is_run_id
from quantflow.runs.run import Run


def list_runs(workspace: Path, *, sleeves: bool = False) -> list[Run]:
    """Return the workspace's runs, newest last; those of sleeves only if asked for."""
    folder = workspace / "runs"
    names = [path.name for path in folder.iterdir() if _has_record(path)] if folder.is_dir() else []
    runs = [open_run(workspace, name) for name in names if is_run_id(name)]
    return sorted((run for run in runs if sleeves or not _is_sleeve(run)), key=_number)


def refuse_newer_runs(workspace: Path) -> None:
    """Refuse to go on where a newer quantflow has written a run: what it says of the others cannot be known.

    Raises:
        NewerRecordError: Of the first one.
    """
    _refuse_newer(list_runs(workspace, sleeves=True))


def _refuse_newer(runs: Iterable[Run]) -> None:
    for run in runs:
        if isinstance(run, Newer):
            raise run.refusal


def find_run(workspace: Path, run_id: str) -> Run:
    """Return the run called *run_id*, or whose id alone begins so; the newest for ``latest``; a trial for ``sweep/17``.

    Raises:
        ConfigError: If there is none, naming the nearest, or several begin so; or the trial did not succeed.
        NewerRecordError: If a newer quantflow has written it; for ``latest`` any, since that may be the newest.
    """
    if run_id == "latest":
        if not (runs := list_runs(workspace)):
            raise ConfigError(f"There are no runs in {workspace}.", hint="Start one: quantflow select --profile demo")
        _refuse_newer(runs)
        return runs[-1]
    sweep, slash, number = run_id.partition("/")
    run = _named(workspace, sweep)
    _refuse_newer([run])
    if not slash:
        return run
    if not isinstance(run, Sweep):
        raise ConfigError(f"Run {run.id} is no sweep: it has no trials.", hint=f"quantflow inspect {run.id}")
    return open_trial(run, number)


def _named(workspace: Path, run_id: str) -> Run:
    """Return the run of that id, or else the only one whose id begins so."""
    run = open_run(workspace, run_id)
    if run.exists:
        return run
    names = [run.id for run in list_runs(workspace, sleeves=True)]
    found = [name for name in names if name.startswith(run_id)]
    own = [name for name in found if "." not in name[len(run_id) :]] or found  # a meta run before its sleeves
    if len(own) == 1:
        return open_run(workspace, own[0])
    if own:
        raise ConfigError(f"Several runs begin with {run_id!r}.", hint=f"They are: {', '.join(own[-20:])}.")
    raise unknown_name("run", run_id, [name for name in names if "." not in name][-20:])


def find_portfolio(workspace: Path, run_id: str) -> Run:
    """Return the run called *run_id*, or the newest for ``latest``, of those that make a portfolio: no sweep.

    Raises:
        ConfigError: If there is none, or it is a sweep.
    """
    if run_id == "latest":
        if not (runs := [run for run in list_runs(workspace) if not isinstance(run, Sweep)]):
            raise ConfigError(f"There are no runs in {workspace}.", hint="Start one: quantflow select --profile demo")
        _refuse_newer(list_runs(workspace))
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
