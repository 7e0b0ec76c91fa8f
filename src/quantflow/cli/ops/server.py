"""``quantflow server``: keep the workspace's API server running between runs."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from quantflow.cli.options import AsJson, Workspace

if TYPE_CHECKING:
    from quantflow.server.kept import ServerStatus

app = typer.Typer(
    help="Keep the workspace's own Prefect API server running between runs, so that they start sooner.",
    no_args_is_help=True,
)
SCHEMA_VERSION = 1


@app.command("start")
def start(workspace: Workspace = None, json: AsJson = False) -> None:
    """Start the server, or keep the one that runs; return when it answers."""
    from quantflow.server.kept import server_status, start_server

    home = _home(workspace)
    found = server_status(home)
    if not found.configured:
        found = start_server(home)
    _show(found, json)


@app.command("stop")
def stop(workspace: Workspace = None) -> None:
    """Stop the server now, or when the last run that uses it ends."""
    from quantflow.server.kept import stop_server

    ended = stop_server(_home(workspace))
    typer.echo("stopped" if ended else "a run uses it: it ends with that run", err=True)


@app.command("status")
def status(workspace: Workspace = None, json: AsJson = False) -> None:
    """Say which API server a run would use now; exit 1 when none answers."""
    from quantflow.server.kept import server_status

    found = server_status(_home(workspace))
    _show(found, json)
    if not found.healthy:
        raise typer.Exit(1)


def _home(workspace: Path | None) -> Path:
    from quantflow.config.load import find_workspace

    return find_workspace(Path.cwd(), workspace)


def _show(found: ServerStatus, as_json: bool) -> None:
    if as_json:
        typer.echo(jsonlib.dumps({"schema_version": SCHEMA_VERSION, "event": "server", **found.json()}))
    elif found.url is None:
        typer.echo("no API server runs: each run starts its own")
    else:
        about = "configured" if found.configured else f"pid {found.pid}, since {found.since}"
        kept = "kept" if found.kept else "another's" if found.configured else "ends with the last run"
        typer.echo(f"{found.url}  {'healthy' if found.healthy else 'DOES NOT ANSWER'}  {about}, {kept}")
