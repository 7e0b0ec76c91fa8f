"""``quantflow inspect``: what ran, and what came of it."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace


def inspect(
    run: Annotated[
        str | None, typer.Argument(help="A run, or 'latest' (default: list all runs).", autocompletion=complete.runs)
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option("--stage", metavar="STAGE", help="Show one stage of the run.", autocompletion=complete.stages),
    ] = None,
    heat: Annotated[
        str | None,
        typer.Option("--map", metavar="SETTING,SETTING", help="Of a sweep: heat map of these two settings."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the run until it has ended, then show it.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Include the runs of sleeves.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """List runs, or show one. Reads only its folder: needs no server, and works for a killed run."""
    from quantflow.cli.review import look

    if run is None and watch:
        run = "latest"
    if run is None:
        look.list_runs(workspace, stage, every=every, as_json=json)
    else:
        if watch and not json:
            look.watch(run, workspace)
        look.inspect(run, workspace, stage, heat, as_json=json)
