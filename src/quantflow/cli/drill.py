"""``quantflow drill``: rehearse the failure that one hopes never to see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import Sets, Workspace


def drill(
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="Profile to rehearse with.", autocompletion=complete.profiles)
    ] = "demo",
    sets: Sets = None,
    workspace: Workspace = None,
) -> None:
    """Kill a run of the profile in every stage, resume it, and prove the weights identical; takes minutes."""
    from quantflow.config.load import find_workspace, load_profile
    from quantflow.runs.drill import drill as rehearse

    home = find_workspace(Path.cwd(), workspace)
    load_profile(profile, workspace=home, overrides=sets or ())
    failed = 0
    typer.echo(f"{'KILLED IN':<12}{'RESUMED':<10}WEIGHTS")
    for trial in rehearse(home, profile, sets or ()):
        failed += not trial.passed
        outcome = "identical" if trial.equal else "DIFFERENT" if trial.resumed else "-"
        missed = "" if trial.killed else "  (it was over before it could be killed)"
        typer.echo(f"{trial.stage:<12}{'yes' if trial.resumed else 'NO':<10}{outcome}{missed}")
    if failed:
        raise typer.Exit(1)
