"""``quantflow promote``: make the settings of a run those of a profile."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace


def promote(
    run: Annotated[str, typer.Argument(help="A complete run, or 'latest'.", autocompletion=complete.runs)],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="PROFILE",
            help="Profile to write: an existing or a new one.",
            autocompletion=complete.profiles,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking (needed without a terminal).")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; write nothing.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Write a run's settings to quantflow.toml as a profile, keeping comments and formatting.

    Shows the settings and lines that change, the turnover against the profile's current book, and what would hold it
    back from being published. Who decided, when and from which run is recorded; quantflow profiles show prints it.
    """
    from quantflow.cli.desk import actions

    actions.promote(run, to, workspace, yes=yes, dry_run=dry_run, as_json=json)
