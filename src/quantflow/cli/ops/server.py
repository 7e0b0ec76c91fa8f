"""``quantflow server``: keep the workspace's API server running between runs."""

from __future__ import annotations

import typer

from quantflow.cli.options import UI, AsJson, Workspace

app = typer.Typer(
    help="Keep the workspace's Prefect API server running between runs, so that they start faster.",
    no_args_is_help=True,
)


@app.command("start")
def start(ui: UI = False, workspace: Workspace = None, json: AsJson = False) -> None:
    """Start the server, or keep the running one; return when it answers."""
    from quantflow.cli.ops import actions

    actions.start_server(workspace, ui=ui, as_json=json)


@app.command("stop")
def stop(workspace: Workspace = None) -> None:
    """Stop the server, now or when the last run using it ends."""
    from quantflow.cli.ops import actions

    actions.stop_server(workspace)


@app.command("show")
def show(workspace: Workspace = None, json: AsJson = False) -> None:
    """Show the API server that a run would use; exit 1 if it does not answer."""
    from quantflow.cli.ops import actions

    if not actions.show_server(workspace, as_json=json):
        raise typer.Exit(1)
