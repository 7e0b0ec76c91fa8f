"""``quantflow sweep``: try many variants of a profile, and say what the best of them is worth."""

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
    Sets,
    Strict,
    Verbose,
    Workspace,
)
from quantflow.cli.unattended import Deadline, Ping

Name = Annotated[
    str | None, typer.Argument(help="A sweep of quantflow.toml, [sweep.NAME].", autocompletion=complete.sweeps)
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", "-p", help="Profile whose variants are tried.", autocompletion=complete.profiles),
]
Over = Annotated[
    list[str] | None,
    typer.Option("--over", metavar="SECTION.KEY=VALUE,VALUE", help="Values of one setting (repeatable)."),
]
Design = Annotated[
    str | None, typer.Option("--design", metavar="DESIGN", help="grid (all combinations), random or sobol.")
]
Trials = Annotated[int | None, typer.Option("--trials", metavar="N", help="Variants that random and sobol try.")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Chooses them.")]
Metric = Annotated[
    str | None, typer.Option("--metric", metavar="FIGURE", help="Rank by sharpe, sortino, calmar or cagr.")
]
Nested = Annotated[bool | None, typer.Option("--nested", help="Walk the choice among trials forward as well.")]


def sweep(
    name: Name = None,
    profile: Profile = None,
    over: Over = None,
    design: Design = None,
    trials: Trials = None,
    seed: Seed = None,
    metric: Metric = None,
    nested: Nested = None,
    run_id: NewRunId = None,
    as_of: AsOf = None,
    workspace: Workspace = None,
    sets: Sets = None,
    dry_run: DryRun = False,
    force: Force = False,
    strict: Strict = False,
    deadline: Deadline = None,
    ping: Ping = None,
    no_progress: NoProgress = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: AsJson = False,
) -> None:
    """Try many variants of a profile, and say what the best of them is worth."""
    from quantflow.cli.mode import mode
    from quantflow.cli.run import start
    from quantflow.config.sweeps.sweep import read_over

    flags: dict[str, object] = {"profile": profile, "design": design, "trials": trials, "seed": seed}
    flags |= {"metric": metric, "nested": nested, "over": read_over(over) if over else None}
    given = {key: value for key, value in flags.items() if value is not None}
    shown = mode(no_progress, json, quiet=quiet, verbose=verbose)
    asked = start.Asked(run_id, as_of, False, force, strict, deadline, ping, shown)
    start.sweep(name, given, workspace, sets or (), asked, dry_run=dry_run)
