"""``quantflow morning``: everything that matters this morning on one screen."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli.options import AsJson, Only, Workspace
from quantflow.errors import DegradedError


def morning(
    profile: Only = None,
    notify: Annotated[
        bool, typer.Option("--notify", help="Send this to the addresses in each profile's notify as well.")
    ] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show what ran, how old the data are, what changed and why, the track, orders to make, and what is wrong.

    One screen and one exit code for all profiles that ever ran: 23 if anything is wrong.
    """
    from quantflow.cli.ops import sessions as actions

    if not actions.morning(profile or (), workspace, notify=notify, as_json=json):
        raise typer.Exit(DegradedError.exit_code)
