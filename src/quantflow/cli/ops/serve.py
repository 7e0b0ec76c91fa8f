"""``quantflow serve``: run profiles at the times that they say, for as long as the command runs."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantflow.cli.options import AsJson, Only, Workspace

if TYPE_CHECKING:
    from quantflow.flows.serve import Plan

SCHEMA_VERSION = 1


def serve(
    profile: Only = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what runs when; start nothing.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Run profiles and meta profiles at the times of their schedules, until Ctrl-C; one at a time of each."""
    from quantflow.config.load import find_workspace
    from quantflow.ops.schedule import times_of

    home = find_workspace(Path.cwd(), workspace).resolve()
    plan = times_of(home, profile or ())
    if dry_run:
        _show(plan, json)
        return
    from quantflow.data.store import private_folder
    from quantflow.runs.lock import owned
    from quantflow.server.server import api_server
    from quantflow.server.url import without_secrets

    folder = home / ".quantflow" / "serve"
    private_folder(folder)
    _refuse_served(folder)
    with owned(folder), api_server(home, schedules=True) as server:
        from quantflow.errors import Interrupted
        from quantflow.flows.launch import client_settings
        from quantflow.flows.serve import serve as run_what_is_due

        with client_settings(server):
            _show(plan, json)
            said = f"serving at {without_secrets(server.url)}"
            number = run_what_is_due(home, plan, server, lambda: typer.echo(said, err=True))
        raise Interrupted(number)


def _refuse_served(folder: Path) -> None:
    from quantflow.errors import LockedError
    from quantflow.runs.lock import owner

    if who := owner(folder):
        raise LockedError(
            f"This workspace is served by process {who['pid']} on {who['host']} since {who['since']}.",
            hint="Stop that one first: one process serves all profiles of a workspace.",
        )


def _show(plan: Plan, as_json: bool) -> None:
    """Print what runs when.

    Raises:
        ConfigError: If a time of it never comes.
    """
    from quantflow.flows.serve import next_times
    from quantflow.ui.sessions import print_schedules

    following = next_times(plan)
    if as_json:
        told = [
            {
                "profile": name,
                "times": [{"said": time.said, "cron": time.cron, "timezone": time.zone} for time in times],
                "next": following[name].isoformat(timespec="seconds"),
            }
            for name, times in plan.items()
        ]
        typer.echo(jsonlib.dumps({"schema_version": SCHEMA_VERSION, "event": "schedules", "profiles": told}))
    else:
        print_schedules(plan, following)
