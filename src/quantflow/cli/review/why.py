"""``quantflow why``: what became of one name."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace


def why(
    symbol: Annotated[str, typer.Argument(help="A name, e.g. AAPL.", autocompletion=complete.symbols)],
    run: Annotated[str, typer.Argument(help="A run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show the path of one name through all stages, and what would have changed the outcome."""
    from quantflow.cli.review import actions

    actions.why(symbol, run, workspace, as_json=json)
