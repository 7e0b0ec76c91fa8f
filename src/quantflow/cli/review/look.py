"""What the commands that show runs do; they import little, since they only read a folder."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path

import typer

from quantflow.config.load import find_workspace
from quantflow.errors import ConfigError, unknown_name
from quantflow.review.logs import following, logged_lines
from quantflow.runs import find
from quantflow.runs.exports import REPORT
from quantflow.runs.find import find_run
from quantflow.runs.kinds import Newer, Sweep
from quantflow.runs.outcome import compared, outcome
from quantflow.ui import tables
from quantflow.ui.emit import emit
from quantflow.ui.progress.logs import print_log_line
from quantflow.ui.sweeps.tables import print_sweep, print_trials_left

BRIEF = ("run_id", "state", "degraded", "kind", "profile", "as_of", "created", "folder")
"""What the list of runs says of each."""


def list_runs(workspace: Path | None, stage: str | None, *, every: bool, as_json: bool) -> None:
    """List the workspace's runs."""
    if stage is not None:
        raise ConfigError("--stage needs a run.", hint="quantflow inspect latest --stage " + stage)
    home = find_workspace(Path.cwd(), workspace)
    runs = find.list_runs(home, sleeves=every)
    if as_json:
        emit("runs", runs=[{name: run.json()[name] for name in BRIEF} for run in runs])
    elif runs:
        tables.print_runs(runs)
        for newer in (run for run in runs if isinstance(run, Newer)):
            typer.echo(f"{newer.refusal.message} {newer.refusal.hint}", err=True)
    else:
        typer.echo(f"no runs in {home}", err=True)


def inspect(run: str, workspace: Path | None, stage: str | None, heat: str | None, *, as_json: bool) -> None:
    """Show a run, or one stage of it; of a complete sweep, what it found."""
    found = find_run(find_workspace(Path.cwd(), workspace), run)
    swept = isinstance(found, Sweep) and found.state == "completed"
    if heat is not None and not swept:
        raise ConfigError("--map needs a complete sweep.", hint="quantflow sweep --help")
    if stage is not None and stage not in found.stages:
        raise unknown_name("stage", stage, found.stages)
    if as_json and stage is None:
        emit("run", **found.json(), **({"sweep": compared(found)} if swept else {}))
    elif as_json:
        emit("stage", **found.stage_json(stage or ""))
    elif stage is not None:
        tables.print_stage(found, stage)
    else:
        tables.print_run(found)
        if found.state == "completed" and not swept:
            tables.print_outcome(found, outcome(found), funnel=False)
        if isinstance(found, Sweep):
            print_trials_left(found) if not swept else print_sweep(found, *(heat.split(",", 1) if heat else ()))


def watch(run: str, workspace: Path | None) -> None:
    """Follow a run that another process works on until it has ended, then show it."""
    from quantflow.cli.mode import mode
    from quantflow.ui.progress.recorded import watched
    from quantflow.ui.progress.show import progress

    found = find_run(find_workspace(Path.cwd(), workspace), run)
    with progress(found, mode(no_progress=False, as_json=False)) as listener:
        for picture in watched(found):
            if listener:
                listener(picture)


def logs(run: str, workspace: Path | None, stage: str | None, *, follow: bool, as_json: bool) -> None:
    """Show what a run has logged."""
    found = find_run(find_workspace(Path.cwd(), workspace), run)
    known = {name for each in found.parts() for name in each.stages}
    if stage is not None and stage not in known:
        raise unknown_name("stage", stage, sorted(known))
    for line in following(found) if follow else logged_lines(found):
        if line.of(stage) and as_json:
            emit("log", **asdict(line))
        elif line.of(stage):
            print_log_line(line)


def open_report(run: str, workspace: Path | None) -> None:
    """Open a run's report in the browser; where there is none, only say where the report is."""
    found = find_run(find_workspace(Path.cwd(), workspace), run)
    page = found.folder / REPORT
    if not page.is_file():
        raise ConfigError(f"Run {found.id} has no report: it is {found.state}.", hint=f"quantflow inspect {found.id}")
    typer.echo(str(page))
    if has_display():
        typer.launch(page.absolute().as_uri())


def has_display() -> bool:
    """Whether a browser could show anything: a terminal on a server has none, and must not get a text browser."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
