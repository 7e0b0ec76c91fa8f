"""``quantflow gc``: remove old runs, and what only they needed."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli.options import Workspace


def gc(
    keep: Annotated[int, typer.Option("--keep", min=0, help="Always keep this many of the newest runs.")] = 30,
    older_than: Annotated[
        int | None,
        typer.Option("--older-than", metavar="DAYS", min=0, help="Remove only runs older than this many days."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted; delete nothing.")] = False,
    workspace: Workspace = None,
) -> None:
    """Remove old runs, and cached results and artifacts that no remaining run uses."""
    from quantflow.cli.ops import actions

    actions.gc(keep, older_than, workspace, dry_run=dry_run)
