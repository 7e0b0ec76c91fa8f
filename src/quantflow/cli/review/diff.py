"""``quantflow diff``: what changed between two runs."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace


def diff(
    before: Annotated[
        str | None,
        typer.Argument(help="A run; the one before B of its profile by default.", autocompletion=complete.runs),
    ] = None,
    after: Annotated[str, typer.Argument(help="Another run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show what differs between two runs: settings, data, code, counts, weights, and the first stage that differs.

    The turnover is traced to what it came from: data, universe, scores, clusters, constraints, allocation.
    """
    from quantflow.cli.review import actions

    actions.diff(before, after, workspace, as_json=json)
