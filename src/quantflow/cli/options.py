"""Options that several commands share."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.errors import ConfigError

Workspace = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Workspace folder (default: nearest parent with a quantflow.toml)."),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        "-p",
        help="Only this profile (repeatable).",
        autocompletion=complete.profiles_and_metas,
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one setting (repeatable)."),
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="Use data up to this session, YYYY-MM-DD (default: last completed)."),
]
NewRunId = Annotated[str | None, typer.Option("--run-id", help="Run ID (generated if omitted).")]
Rebalance = Annotated[bool, typer.Option("--rebalance", help="Decide a portfolio even if no rebalance is due.")]
Force = Annotated[bool, typer.Option("--force", help="Run and compute again even if an identical run exists.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with code 23 if the run is degraded.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; run nothing.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Show no progress.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the run's log as it is written.")]
UI = Annotated[bool, typer.Option("--ui", help="With Prefect's pages in the browser.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, each document with a schema_version.")]


def parse_date(text: str | None) -> date | None:
    """Return the date of ``--as-of``.

    Raises:
        ConfigError: If it is not a date.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--as-of {text!r} is not a date.", hint="Write it as YYYY-MM-DD, e.g. 2022-11-30.") from None
