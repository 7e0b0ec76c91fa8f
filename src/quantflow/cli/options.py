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
    typer.Option("--workspace", "-w", help="Folder of quantflow.toml; looked for from here upwards by default."),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        "-p",
        help="Only this profile; may be given several times.",
        autocompletion=complete.profiles_and_metas,
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one setting; may be given several times."),
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="Last session to be seen (YYYY-MM-DD); the last completed one."),
]
NewRunId = Annotated[str | None, typer.Option("--run-id", help="Name of the new run; made up by default.")]
Force = Annotated[bool, typer.Option("--force", help="Run even if a complete run has it all; uses the cache.")]
Strict = Annotated[bool, typer.Option("--strict", help="End with exit code 23 when the run is degraded.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be run or reused, and why; run nothing.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Show no progress.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, a schema_version in each document.")]


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
