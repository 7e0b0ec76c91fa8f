"""``quantflow logs``: what a run has logged."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace


def logs(
    run: Annotated[str, typer.Argument(help="A run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    stage: Annotated[
        str | None,
        typer.Option("--stage", metavar="STAGE", help="Only what this stage logged.", autocompletion=complete.stages),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show what a run and its sleeves logged, or one stage of them."""
    from quantflow.cli.review import look

    look.logs(run, workspace, stage, follow=follow, as_json=json)
