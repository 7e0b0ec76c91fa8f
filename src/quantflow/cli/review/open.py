"""``quantflow open``: a run's report in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import Workspace


def open_report(
    run: Annotated[str, typer.Argument(help="A run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    workspace: Workspace = None,
) -> None:
    """Open a run's report in the browser, and print where it is."""
    from quantflow.cli.review import look

    look.open_report(run, workspace)
