"""``quantflow resume``: continue a run that did not finish."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, DryRun, NoProgress, Sets, Strict, Workspace


def resume(
    run: Annotated[str, typer.Argument(help="The run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    first: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="STAGE", help="Run this stage and all after it again.", autocompletion=complete.stages
        ),
    ] = None,
    sets: Sets = None,
    workspace: Workspace = None,
    dry_run: DryRun = False,
    strict: Strict = False,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Continue a run: what is complete is kept, the rest is done with the run's own frozen settings."""
    from quantflow.cli.run import start

    mode = start.mode(no_progress, json)
    start.resume(run, workspace, sets or (), first, mode, dry_run=dry_run, strict=strict)
