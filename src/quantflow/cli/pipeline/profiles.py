"""``quantflow profiles``: list, show, validate and import profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Sets, Workspace

app = typer.Typer(
    help="List, show, validate and import profiles and meta profiles.", no_args_is_help=True, rich_markup_mode=None
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


@app.command("import")
def import_(
    manifest: Annotated[Path, typer.Argument(help="JSON manifest with 'profiles', and perhaps 'defaults'.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")] = Path("quantflow.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    json: AsJson = False,
) -> None:
    """Write a quantflow.toml from a JSON manifest, and list what was mapped and what was not, and why."""
    from quantflow.config.manifest import read_manifest
    from quantflow.data.store import write_atomic
    from quantflow.errors import ConfigError
    from quantflow.ui.emit import emit

    if out.is_dir() or not out.absolute().parent.is_dir():
        raise ConfigError(f"{out} cannot be written: it is a folder, or its folder is not there.", hint="Name a file.")
    if out.exists() and not force:
        raise ConfigError(f"{out} is there already.", hint="Name another with --out, or replace it with --force.")
    found = read_manifest(manifest)
    write_atomic(out.absolute(), found.toml.encode())
    if json:
        lines = {"mapped": [line.json() for line in found.mapped], "unmapped": [line.json() for line in found.unmapped]}
        emit("imported", file=str(out), **lines)
        return
    from quantflow.ui.profiles import print_imported

    print_imported(found, str(out))
