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
        help="The stages of this profile, in the order in which they run.",
        autocompletion=complete.profiles,
    ),
]


@app.command("list")
def list_(profile: OfProfile = None, workspace: Workspace = None, json: AsJson = False) -> None:
    """List stages: the built-in ones and those that installed packages register, or those of a profile."""
    from quantflow.cli.pipeline import actions

    actions.list_stages(profile, workspace, as_json=json)


@app.command("show")
def show(
    stage: Annotated[
        str,
        typer.Argument(help="A stage's id, or the name under which it is registered.", autocompletion=complete.stages),
    ],
    profile: OfProfile = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show what a stage does, what it needs and makes, and the settings that it reads, with their defaults."""
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
    """Run one stage on a run's artifacts and print what it made; the run's record stays as it is."""
    from quantflow.cli.pipeline import actions

    actions.run_stage(stage, run, workspace, as_json=json)
