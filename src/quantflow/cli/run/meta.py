"""``quantflow meta``: run a portfolio of sleeves."""

from __future__ import annotations

from enum import StrEnum
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


class Runner(StrEnum):
    """What runs the sleeves."""

    AUTO = "auto"
    RAY = "ray"
    LOCAL = "local"


def meta(
    meta_profile: Annotated[
        str,
        typer.Option(
            "--meta-profile", "-m", "-p", help="Meta profile to run, e.g. demo_meta.", autocompletion=complete.metas
        ),
    ],
    run_id: NewRunId = None,
    as_of: AsOf = None,
    runner: Annotated[
        Runner | None,
        typer.Option("--runner", help="Where sleeves run; auto: Ray, or local processes if Ray does not start."),
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", metavar="HOST:PORT", help="Use this Ray cluster.")
    ] = None,
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
    """Run the sleeves of a meta profile in parallel, and combine them into one portfolio."""
    from quantflow.cli.mode import mode
    from quantflow.cli.run import start

    shown = mode(no_progress, json, quiet=quiet, verbose=verbose)
    asked = start.Asked(run_id, as_of, rebalance, force, strict, deadline, ping, shown)
    chosen = [*(sets or ()), *_execution("runner", runner and runner.value), *_execution("ray_address", ray_address)]
    start.meta(meta_profile, workspace, chosen, asked, dry_run=dry_run)


def _execution(key: str, value: str | None) -> list[str]:
    return [] if value is None else [f'meta.execution.{key}="{value}"']
