"""``quantflow gc``: remove old runs, and what only they needed."""

from __future__ import annotations

from pathlib import Path
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
    from datetime import timedelta

    from quantflow.config.load import find_workspace
    from quantflow.ops.garbage import find_garbage, remove
    from quantflow.runs.lock import removal

    home = find_workspace(Path.cwd(), workspace)
    with removal(home):
        found = find_garbage(home, keep, timedelta(days=older_than) if older_than is not None else None)
        if not dry_run:
            found = remove(home, found)
    for name in found.runs:
        typer.echo(name)
    verb, size = "would remove" if dry_run else "removed", found.bytes / 2**20
    typer.echo(f"{verb} {len(found.runs)} runs and {len(found.files)} files ({size:.1f} MiB)", err=True)
    for each in found.left:
        typer.echo(f"left alone: {each.name}: {each.why}", err=True)
    if found.live:
        typer.echo(f"Skipping files while runs are in progress: {', '.join(found.live)}", err=True)
