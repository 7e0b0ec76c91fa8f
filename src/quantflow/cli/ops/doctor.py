"""``quantflow doctor``: what is wrong with this machine or workspace, and the command that puts it right."""

from __future__ import annotations

import typer

from quantflow.cli.options import AsJson, Workspace


def doctor(workspace: Workspace = None, json: AsJson = False) -> None:
    """Find what is wrong with this machine or workspace, and say how to put it right; exit 1 if no run can start."""
    from quantflow.cli.ops import checkup

    if checkup.doctor(workspace, as_json=json):
        raise typer.Exit(1)
