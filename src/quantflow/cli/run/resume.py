"""``quantflow resume``: continue a run that did not finish."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, DryRun, NoProgress, Quiet, Sets, Strict, Verbose, Workspace


def resume(
    run: Annotated[str, typer.Argument(help="The run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    first: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="STAGE", help="Run this stage and all later ones again.", autocompletion=complete.stages
        ),
    ] = None,
    sets: Sets = None,
    workspace: Workspace = None,
    dry_run: DryRun = False,
    strict: Strict = False,
    no_progress: NoProgress = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: AsJson = False,
) -> None:
    """Continue a run: completed stages are kept, the rest runs with the run's frozen settings."""
    from quantflow.cli.mode import mode
    from quantflow.cli.run import start

    shown = mode(no_progress, json, quiet=quiet, verbose=verbose)
    start.resume(run, workspace, sets or (), first, shown, dry_run=dry_run, strict=strict)
