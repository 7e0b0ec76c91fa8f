"""What ``serve`` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from quantflow.cli.ops.actions import pages
from quantflow.config.load import find_workspace
from quantflow.data.store import private_folder
from quantflow.errors import Interrupted, LockedError
from quantflow.flows.launch import client_settings
from quantflow.flows.serve import Plan, next_times
from quantflow.flows.serve import serve as run_what_is_due
from quantflow.ops.schedule import times_of
from quantflow.runs.lock import owned, owner
from quantflow.server.server import Part, api_server
from quantflow.server.url import without_secrets
from quantflow.ui.emit import emit
from quantflow.ui.sessions import print_schedules


def serve(profiles: Sequence[str], workspace: Path | None, *, dry_run: bool, ui: bool, as_json: bool) -> None:
    """Run profiles when they are due, until a signal; or only show when that is."""
    home = find_workspace(Path.cwd(), workspace).resolve()
    plan = times_of(home, profiles)
    if dry_run:
        _show(plan, as_json)
        return
    folder = home / ".quantflow" / "serve"
    private_folder(folder)
    _refuse_served(folder)
    with owned(folder), api_server(home, parts=[Part.SCHEDULES, *([Part.UI] if ui else [])]) as server:
        with client_settings(server):
            _show(plan, as_json)
            address = without_secrets(server.url)
            if server.ui:
                typer.echo(pages(server.ui, home), err=True)
            number = run_what_is_due(home, plan, server, lambda: typer.echo(f"serving at {address}", err=True))
        raise Interrupted(number)


def _refuse_served(folder: Path) -> None:
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
    following = next_times(plan)
    if not as_json:
        print_schedules(plan, following)
        return
    profiles = [
        {
            "profile": name,
            "times": [{"said": time.said, "cron": time.cron, "timezone": time.zone} for time in times],
            "next": following[name].isoformat(timespec="seconds"),
        }
        for name, times in plan.items()
    ]
    emit("schedules", profiles=profiles)
