"""``quantflow cron`` and ``quantflow help exit-codes``: what a job needs to know."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import Workspace


def cron(
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            "-p",
            help="Profile or meta profile to run each night.",
            autocompletion=complete.profiles_and_metas,
        ),
    ],
    after: Annotated[
        str | None,
        typer.Option(
            "--after",
            metavar="close+MINUTES",
            help="How long after the exchange's usual close; as the profile's schedule says, else close+45m.",
        ),
    ] = None,
    workspace: Workspace = None,
) -> None:
    """Print a crontab line, and a systemd timer and service, that run a profile after each session."""
    from quantflow.config.load import find_workspace
    from quantflow.ops.schedule import crontab

    home = find_workspace(Path.cwd(), workspace).resolve()
    program = Path(sys.argv[0]).resolve()
    program = program if program.name == "quantflow" else Path(sys.executable).with_name("quantflow")
    typer.echo(crontab(home, profile, program, after))


def help_topic(
    topic: Annotated[str, typer.Argument(help="exit-codes.")] = "exit-codes",
) -> None:
    """Explain a topic: exit-codes."""
    from quantflow.cli.boundary import EXIT_CODES
    from quantflow.errors import unknown_name

    if topic != "exit-codes":
        raise unknown_name("topic", topic, ["exit-codes"])
    for code, meaning in EXIT_CODES.items():
        typer.echo(f"{code:>3}  {meaning}")
