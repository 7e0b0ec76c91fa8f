"""``quantflow checks``: what the data of a run were held to, and how they did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace


def checks(
    run: Annotated[str, typer.Argument(help="A run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show the data checks of a run: limits, the worst that was met, and the symbols that failed."""
    from quantflow.config.load import find_workspace
    from quantflow.review.checks import checks_of
    from quantflow.review.restated import restatement
    from quantflow.runs.find import find_run
    from quantflow.ui.checks import print_checks
    from quantflow.ui.progress import write_json_line

    found = find_run(find_workspace(Path.cwd(), workspace), run)
    record = checks_of(found)
    changed = restatement(found)
    if json:
        told = None if changed is None else changed.json()
        write_json_line("checks", run_id=found.id, **record, restated=told)
    else:
        print_checks(found, record, changed)
