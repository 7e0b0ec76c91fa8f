"""``quantflow serve``: run profiles at the times that they say, for as long as the command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli.options import UI, AsJson, Only, Workspace


def serve(
    profile: Only = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the schedule; start nothing.")] = False,
    ui: UI = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Run profiles and meta profiles on their schedules until Ctrl-C; one run at a time of each."""
    from quantflow.cli.ops import serving

    serving.serve(profile or (), workspace, dry_run=dry_run, ui=ui, as_json=json)
