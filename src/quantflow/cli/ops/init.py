"""``quantflow init``: a workspace to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(help="Where; it is made when it is missing.")] = Path(),
) -> None:
    """Write a commented quantflow.toml, sample prices that it reads, and a .gitignore; replace nothing."""
    from quantflow.ops.starter import IGNORE, PROFILE, start_workspace

    done = start_workspace(folder.absolute())
    for name in done.written:
        typer.echo(f"wrote  {folder / name}")
    if done.not_ignored:
        typer.echo(f"kept   {folder / IGNORE}; it lacks: {' '.join(done.not_ignored)}", err=True)
    there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    typer.echo(f"next   {there}quantflow select --profile {PROFILE}", err=True)
