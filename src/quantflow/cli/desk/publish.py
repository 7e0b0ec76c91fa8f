"""``quantflow publish``: make a run's weights the profile's current book."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import Workspace


def publish(
    run: Annotated[str, typer.Argument(help="A complete run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    workspace: Workspace = None,
) -> None:
    """Make a run's weights its profile's current book; select, meta and resume do it by themselves."""
    from quantflow.cli.desk import actions

    actions.publish(run, workspace)
