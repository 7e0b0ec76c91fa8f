"""``quantflow diff``: what changed between two runs."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace


def diff(
    before: Annotated[
        str | None,
        typer.Argument(help="A run (default: the previous run of B's profile).", autocompletion=complete.runs),
    ] = None,
    after: Annotated[str, typer.Argument(help="Another run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Compare two runs: settings, data, code, counts, weights, and the first stage that differs.

    Attributes the turnover to data, universe, scores, clusters, constraints and allocation.
    """
    from quantflow.cli.review import actions

    actions.diff(before, after, workspace, as_json=json)
