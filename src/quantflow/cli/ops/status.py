"""``quantflow status``: how each session went."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli.options import AsJson, Only, Workspace


def status(
    sessions: Annotated[int, typer.Option("--sessions", min=1, help="How many sessions to look back.")] = 30,
    profile: Only = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show per profile how each session went: done, degraded, late, failed, missed, or closed."""
    from quantflow.cli.ops import sessions as actions

    actions.status(sessions, profile or (), workspace, as_json=json)
