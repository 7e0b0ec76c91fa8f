"""``quantflow checks``: what the data of a run were held to, and how they did."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace


def checks(
    run: Annotated[str, typer.Argument(help="A run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show the data checks of a run: limits, the worst that was met, and the symbols that failed."""
    from quantflow.cli.review import actions

    actions.checks(run, workspace, as_json=json)
