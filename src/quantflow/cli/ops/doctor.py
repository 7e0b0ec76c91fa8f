"""``quantflow doctor``: what is wrong with this machine or workspace, and the command that mends it."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path

import typer

from quantflow.cli.options import AsJson, Workspace

SCHEMA_VERSION = 1


def doctor(workspace: Workspace = None, json: AsJson = False) -> None:
    """Look for what is wrong with this machine or workspace, and say what mends it; exit 1 if it keeps runs away."""
    from quantflow.config.load import find_workspace
    from quantflow.doctor.base import Place, Result
    from quantflow.doctor.checkup import checkup

    found = checkup(Place(find_workspace(Path.cwd(), workspace)))
    blocked = any(each.result is Result.BLOCKS for each in found)
    if json:
        facts = {"schema_version": SCHEMA_VERSION, "event": "doctor", "blocked": blocked}
        typer.echo(jsonlib.dumps({**facts, "findings": [vars(each) for each in found]}))
    else:
        from quantflow.ui.doctor import print_checkup

        print_checkup(found)
    if blocked:
        raise typer.Exit(1)
