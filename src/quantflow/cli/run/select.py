"""``quantflow select``: run a profile, from prices to weights."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import (
    AsJson,
    AsOf,
    DryRun,
    Force,
    NewRunId,
    NoProgress,
    Quiet,
    Rebalance,
    Sets,
    Strict,
    Verbose,
    Workspace,
)
from quantflow.cli.unattended import Deadline, Ping

Until = Annotated[
    str,
    typer.Option(
        "--until",
        metavar="STAGE",
        help="Stop after this stage, e.g. allocation: weights without the walk-forward, never published.",
        autocompletion=complete.stages,
    ),
]


def select(
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="Profile to run, e.g. demo.", autocompletion=complete.profiles)
    ],
    run_id: NewRunId = None,
    as_of: AsOf = None,
    until: Until = "",
    workspace: Workspace = None,
    sets: Sets = None,
    dry_run: DryRun = False,
    rebalance: Rebalance = False,
    force: Force = False,
    strict: Strict = False,
    deadline: Deadline = None,
    ping: Ping = None,
    no_progress: NoProgress = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: AsJson = False,
) -> None:
    """Run a profile: ingest, features, scores, clusters, policy, atoms, weights, walk-forward, report."""
    from quantflow.cli.mode import mode
    from quantflow.cli.run import start

    shown = mode(no_progress, json, quiet=quiet, verbose=verbose)
    asked = start.Asked(run_id, as_of, rebalance, force, strict, deadline, ping, shown, until)
    start.select(profile, workspace, sets or (), asked, dry_run=dry_run)
