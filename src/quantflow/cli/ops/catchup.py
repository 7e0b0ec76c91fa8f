"""``quantflow catchup``: run the sessions that were missed."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli.options import AsJson, DryRun, NoProgress, Only, Workspace, parse_date


def catchup(
    profile: Only = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Begin here instead of with the first run.")
    ] = None,
    dry_run: DryRun = False,
    workspace: Workspace = None,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Run the sessions that were missed or failed, oldest first, each with what was known on its own date."""
    first = parse_date(since)
    from quantflow.cli.ops import sessions

    sessions.catchup(profile or (), first, workspace, no_progress=no_progress, as_json=json, dry_run=dry_run)
