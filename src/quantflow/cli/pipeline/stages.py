"""``quantflow stages``: list and show stages, run one by itself."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace

app = typer.Typer(
    help="List and show stages; run one on a run's artifacts.", no_args_is_help=True, rich_markup_mode=None
)
SCHEMA_VERSION = 1
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
    from quantflow.config.load import find_workspace, load_profile
    from quantflow.pipeline.arrange import pipeline_of
    from quantflow.pipeline.describe import described, known_stages

    if profile is None:
        found = known_stages()
    else:
        loaded = load_profile(profile, workspace=find_workspace(Path.cwd(), workspace))
        found = described(pipeline_of(loaded.settings()))
    if json:
        _write(stages=[stage.json() for stage in found])
        return
    from quantflow.ui.stages import print_stages

    print_stages(found)


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
    from quantflow.config.load import find_workspace, load_profile
    from quantflow.errors import unknown_name
    from quantflow.pipeline.arrange import pipeline_of
    from quantflow.pipeline.describe import describe, keys_of
    from quantflow.pipeline.registry import StageRegistry

    if profile is None:
        found = StageRegistry.get(stage)
    else:
        loaded = load_profile(profile, workspace=find_workspace(Path.cwd(), workspace))
        own = {each.id: each for each in pipeline_of(loaded.settings())}
        if stage not in own:
            raise unknown_name("stage", stage, own)
        found = own[stage]
    if json:
        _write(**describe(found).json(), settings=[vars(key) for key in keys_of(found)])
        return
    from quantflow.ui.stages import print_stage_definition

    print_stage_definition(describe(found), keys_of(found))


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
    from quantflow.config.load import find_workspace
    from quantflow.review.single import made_by, stage_and_context
    from quantflow.runs.find import find_run
    from quantflow.sdk import QuantSDK

    record = find_run(find_workspace(Path.cwd(), workspace), run)
    found, context = stage_and_context(record, stage)
    after = QuantSDK.run_stage(found, context)
    made = made_by(record, found, after)
    summary = after.summaries[found.id]
    if json:
        facts = {"run_id": record.id, "stage": found.id, "summary": vars(summary)}
        _write(**facts, artifacts=[item.json() for item in made])
        return
    from quantflow.ui.stages import print_made

    print_made(found.id, record.id, summary, made)


def _write(**facts: object) -> None:
    typer.echo(jsonlib.dumps({"schema_version": SCHEMA_VERSION, **facts}))
