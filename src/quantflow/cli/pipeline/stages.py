"""``quantflow stages``: list and show stages, run one by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace

app = typer.Typer(
    help="List and show stages; run one on a run's artifacts.", no_args_is_help=True, rich_markup_mode=None
)
OfProfile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        help="Stages of this profile, in execution order.",
        autocompletion=complete.profiles,
    ),
]


@app.command("list")
def list_(profile: OfProfile = None, workspace: Workspace = None, json: AsJson = False) -> None:
    """List the built-in stages and those of installed packages, or the stages of a profile."""
    from quantflow.cli.pipeline import actions

    actions.list_stages(profile, workspace, as_json=json)


@app.command("show")
def show(
    stage: Annotated[
        str,
        typer.Argument(help="A stage's id, or its registered name.", autocompletion=complete.stages),
    ],
    profile: OfProfile = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show a stage's purpose, inputs, outputs, and settings with their defaults."""
    from quantflow.cli.pipeline import actions

    actions.show_stage(stage, profile, workspace, as_json=json)


@app.command("run")
def run(
    stage: Annotated[str, typer.Argument(help="A stage of the run.", autocompletion=complete.stages)],
    run: Annotated[
        str, typer.Option("--run", metavar="RUN", help="The run, or 'latest'.", autocompletion=complete.runs)
    ] = "latest",
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Run one stage on a run's artifacts and print the result; the run's record does not change."""
    from quantflow.cli.pipeline import actions

    actions.run_stage(stage, run, workspace, as_json=json)
