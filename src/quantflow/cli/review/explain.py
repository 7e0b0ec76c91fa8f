"""``quantflow why`` and ``quantflow diff``: what became of a name, and what changed between two runs."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace

SCHEMA_VERSION = 1


def why(
    symbol: Annotated[str, typer.Argument(help="A name, e.g. AAPL.", autocompletion=complete.symbols)],
    run: Annotated[str, typer.Argument(help="A run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show the path of one name through all stages, and what would have changed the outcome."""
    from quantflow.config.load import find_workspace
    from quantflow.review.why import path_of
    from quantflow.runs.find import find_run
    from quantflow.ui.why import print_path

    path = path_of(find_run(find_workspace(Path.cwd(), workspace), run), symbol)
    if json:
        typer.echo(jsonlib.dumps({"schema_version": SCHEMA_VERSION, "event": "why", **path.json()}))
    else:
        print_path(path)


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
    from quantflow.config.load import find_workspace
    from quantflow.review.bridge import bridge_of
    from quantflow.review.compare import compare, previous
    from quantflow.runs.find import find_run
    from quantflow.ui.check import telling
    from quantflow.ui.compare import print_comparison

    home = find_workspace(Path.cwd(), workspace)
    new = find_run(home, after)
    old = find_run(home, before) if before else previous(new)
    found = compare(old, new)
    with telling(quiet=json) as tell:
        bridge = bridge_of(old, new, tell) if found.weights else None
    if json:
        facts = {**found.json(), "bridge": bridge and bridge.json()}
        typer.echo(jsonlib.dumps({"schema_version": SCHEMA_VERSION, "event": "diff", **facts}))
    else:
        print_comparison(found, bridge)
