"""``quantflow inspect``: what ran, and what came of it."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace


def inspect(
    run: Annotated[
        str | None, typer.Argument(help="A run, or 'latest'; all runs by default.", autocompletion=complete.runs)
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option("--stage", metavar="STAGE", help="Show one stage of the run.", autocompletion=complete.stages),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="List the runs of sleeves too.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """List runs, or show one: reads the folder only, so it needs no server and works on a killed run."""
    from quantflow.config.load import find_workspace
    from quantflow.errors import ConfigError, unknown_name
    from quantflow.runs.find import find_run, list_runs
    from quantflow.runs.header import SCHEMA_VERSION
    from quantflow.ui import tables

    home = find_workspace(Path.cwd(), workspace)
    if run is None:
        if stage is not None:
            raise ConfigError("--stage needs a run.", hint="quantflow inspect latest --stage " + stage)
        runs = list_runs(home, sleeves=every)
        if json:
            brief = [{k: r.json()[k] for k in _BRIEF} for r in runs]
            typer.echo(jsonlib.dumps({"schema_version": SCHEMA_VERSION, "runs": brief}))
        elif runs:
            tables.print_runs(runs)
        else:
            typer.echo(f"no runs in {home}", err=True)
        return
    found = find_run(home, run)
    if stage is not None and stage not in found.stages:
        raise unknown_name("stage", stage, found.stages)
    if json:
        picked = found.json() if stage is None else found.stage_json(stage)
        typer.echo(jsonlib.dumps({"schema_version": SCHEMA_VERSION, **picked}))
    elif stage is not None:
        tables.print_stage(found, stage)
    else:
        tables.print_run(found)


_BRIEF = ("run_id", "state", "degraded", "kind", "profile", "as_of", "created", "folder")
