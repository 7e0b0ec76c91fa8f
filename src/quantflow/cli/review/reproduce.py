"""``quantflow reproduce``: execute a run again, and compare."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, NoProgress, Workspace


def reproduce(
    run: Annotated[str, typer.Argument(help="A complete run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    refetch: Annotated[
        bool,
        typer.Option("--refetch", help="Fetch the data again, bypassing the provider's cache (default: as stored)."),
    ] = False,
    sleeves: Annotated[
        bool, typer.Option("--sleeves", help="For a meta run: reproduce its sleeves' runs first.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder with the results, and print its path.")] = False,
    workspace: Workspace = None,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Execute a run's stages again, without the cache, and compare the results with its record.

    Exits with 0 if all results are equal, with 1 if any differs, naming the first such stage and the likely cause.
    Needs no server; does not change the run.
    """
    from quantflow.cli.review import actions

    how = actions.Reproducing(refetch, sleeves, keep, quiet=no_progress or json, as_json=json)
    if not actions.reproduce(run, workspace, how):
        raise typer.Exit(1)
