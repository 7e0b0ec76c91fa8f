"""``quantflow trials``: how many settings were tried, and what that leaves of a Sharpe ratio."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace


def trials(
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "-p",
            help="Profile whose newest run is judged (default: newest run).",
            autocompletion=complete.profiles,
        ),
    ] = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """List the settings tried on the same data, by family and cluster, and the newest run's deflated Sharpe ratio."""
    from quantflow.cli.review import actions

    actions.trials(profile, workspace, as_json=json)
