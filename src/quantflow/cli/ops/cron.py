"""``quantflow cron``: the line that runs a profile every night."""

from __future__ import annotations

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
    from quantflow.cli.ops import actions

    actions.cron(profile, after, workspace)
