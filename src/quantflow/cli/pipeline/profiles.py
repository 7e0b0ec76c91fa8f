"""``quantflow profiles``: list, show and validate profiles."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Sets, Workspace

app = typer.Typer(
    help="List, show and validate profiles and meta profiles.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("list")
def list_(workspace: Workspace = None, json: AsJson = False) -> None:
    """List profiles and meta profiles: where they come from, what they extend or hold."""
    from quantflow.cli.pipeline import actions

    actions.list_profiles(workspace, as_json=json)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A profile or meta profile.", autocompletion=complete.profiles_and_metas)],
    sources: Annotated[bool, typer.Option("--sources", help="Say where each value comes from.")] = False,
    sets: Sets = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show every setting of a profile as a run would have it."""
    from quantflow.cli.pipeline import actions

    actions.show_profile(name, sets or (), workspace, sources=sources, as_json=json)


@app.command("validate")
def validate(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Profiles; all of quantflow.toml by default.", autocompletion=complete.profiles_and_metas),
    ] = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Check profiles: values, stages of other packages, providers; tell every problem at once."""
    from quantflow.cli.pipeline import actions

    actions.validate(names or (), workspace, as_json=json)
