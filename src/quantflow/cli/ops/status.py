"""``quantflow status``: how each session went."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli.options import AsJson, Only, Workspace
from quantflow.errors import DegradedError


def status(
    sessions: Annotated[int, typer.Option("--sessions", min=1, help="Number of sessions to show.")] = 30,
    profile: Only = None,
    detailed_exitcode: Annotated[
        bool,
        typer.Option(
            "--detailed-exitcode",
            help="Exit with 23 if a session is missing or failed, data are old, or a track is out of its band.",
        ),
    ] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show the outcome of each session per profile: done, degraded, late, failed, missed or closed."""
    from quantflow.cli.ops import sessions as actions

    well = actions.status(sessions, profile or (), workspace, as_json=json)
    if detailed_exitcode and not well:
        raise typer.Exit(DegradedError.exit_code)
