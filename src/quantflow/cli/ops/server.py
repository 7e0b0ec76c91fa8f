"""``quantflow server``: keep the workspace's API server running between runs."""

from __future__ import annotations

import typer

from quantflow.cli.options import AsJson, Workspace

app = typer.Typer(
    help="Keep the workspace's own Prefect API server running between runs, so that they start sooner.",
    no_args_is_help=True,
)


@app.command("start")
def start(workspace: Workspace = None, json: AsJson = False) -> None:
    """Start the server, or keep the one that runs; return when it answers."""
    from quantflow.cli.ops import actions

    actions.start_server(workspace, as_json=json)


@app.command("stop")
def stop(workspace: Workspace = None) -> None:
    """Stop the server now, or when the last run that uses it ends."""
    from quantflow.cli.ops import actions

    actions.stop_server(workspace)


@app.command("status")
def status(workspace: Workspace = None, json: AsJson = False) -> None:
    """Say which API server a run would use now; exit 1 when none answers."""
    from quantflow.cli.ops import actions

    if not actions.show_server(workspace, as_json=json):
        raise typer.Exit(1)
