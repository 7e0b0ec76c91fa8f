"""``quantflow gc``: remove old runs, and what only they needed."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli.options import Workspace


def gc(
    keep: Annotated[int, typer.Option("--keep", min=0, help="The newest runs that stay in any case.")] = 30,
    older_than: Annotated[
        int | None, typer.Option("--older-than", metavar="DAYS", min=0, help="Remove only runs older than this.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    workspace: Workspace = None,
) -> None:
    """Remove old runs, and the cached results and artifacts that no remaining run refers to."""
    from quantflow.cli.ops import actions

    actions.gc(keep, older_than, workspace, dry_run=dry_run)
