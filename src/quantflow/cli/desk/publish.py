"""``quantflow publish``: make a run's weights the profile's current book."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import Workspace


def publish(
    run: Annotated[str, typer.Argument(help="A complete run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    workspace: Workspace = None,
) -> None:
    """Make a run's weights its profile's current book; select, meta and resume do it by themselves."""
    from quantflow.config.load import find_workspace
    from quantflow.desk.publish import publish as move
    from quantflow.errors import ConfigError
    from quantflow.runs.find import find_run

    found = find_run(find_workspace(Path.cwd(), workspace), run)
    if found.state != "completed":
        raise ConfigError(f"Run {found.id} is {found.state}, not complete.", hint=f"quantflow resume {found.id}")
    book = move(found)
    typer.echo(str(book) if book else "left alone: a newer book is there, or the run is not of the profile as it is")
