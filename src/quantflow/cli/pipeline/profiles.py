"""``quantflow profiles``: list, show and validate profiles."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Sets, Workspace

app = typer.Typer(
    help="List, show and validate profiles and meta profiles.", no_args_is_help=True, rich_markup_mode=None
)
SCHEMA_VERSION = 1


@app.command("list")
def list_(workspace: Workspace = None, json: AsJson = False) -> None:
    """List profiles and meta profiles: where they come from, what they extend or hold."""
    from quantflow.config.catalogue import entries
    from quantflow.config.load import find_workspace

    found = entries(find_workspace(Path.cwd(), workspace))
    if json:
        _write(profiles=[entry.json() for entry in found])
        return
    from quantflow.ui.profiles import print_entries

    print_entries(found)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A profile or meta profile.", autocompletion=complete.profiles_and_metas)],
    sources: Annotated[bool, typer.Option("--sources", help="Say where each value comes from.")] = False,
    sets: Sets = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show every setting of a profile as a run would have it."""
    from quantflow.config.catalogue import find, load, values
    from quantflow.config.load import find_workspace

    home = find_workspace(Path.cwd(), workspace)
    entry = find(name, home)
    loaded = load(entry, home, sets or ())
    if json:
        _write(
            **entry.json(),
            settings=loaded.model_dump(mode="json", exclude={"name"}),
            sources={key: str(source) for key, source in loaded.sources.items()},
        )
        return
    from quantflow.ui.profiles import print_values

    print_values(values(loaded), sources=sources)


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
    from quantflow.config.catalogue import entries, find
    from quantflow.config.load import find_workspace
    from quantflow.doctor.profiles import all_in_one, problem_of

    home = find_workspace(Path.cwd(), workspace)
    every = entries(home)
    own = [entry for entry in every if entry.source != "built in"]
    asked = [find(name, home) for name in names] if names else own or every
    found = [(entry, problem_of(entry, home)) for entry in asked]
    if json:
        told = [
            {"name": e.name, "kind": e.kind, "error": p.message if p else None, "hint": p.hint if p else None}
            for e, p in found
        ]
        _write(profiles=told)
    wrong = [(entry, problem) for entry, problem in found if problem is not None]
    if wrong:
        raise all_in_one(wrong, len(asked))
    if not json:
        from quantflow.ui.profiles import print_checked

        print_checked(asked)


def _write(**facts: object) -> None:
    typer.echo(jsonlib.dumps({"schema_version": SCHEMA_VERSION, **facts}))
