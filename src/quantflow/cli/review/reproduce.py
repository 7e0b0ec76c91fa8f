"""``quantflow reproduce``: execute a run again, and compare."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, NoProgress, Workspace


def reproduce(
    run: Annotated[str, typer.Argument(help="A complete run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    refetch: Annotated[
        bool, typer.Option("--refetch", help="Fetch the data anew, past the provider's cache; as stored by default.")
    ] = False,
    sleeves: Annotated[
        bool, typer.Option("--sleeves", help="Of a meta run: reproduce its sleeves' runs first.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder with what was made, and name it.")] = False,
    workspace: Workspace = None,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Execute a run's stages again, nothing from the cache, and compare what they make with what it recorded.

    Exits with 0 when all is the same, with 1 when anything differs: the first stage that does is named, and the likely
    cause. Needs no server; the run is not touched.
    """
    from quantflow.cli.review import actions

    how = actions.Reproducing(refetch, sleeves, keep, quiet=no_progress or json, as_json=json)
    if not actions.reproduce(run, workspace, how):
        raise typer.Exit(1)
