"""``quantflow check``: tests of a run's data, and of a profile and its stages."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, AsOf, NoProgress, Sets, Workspace, parse_date

app = typer.Typer(
    help="Check the data of a run, or a profile for look-ahead and impurity.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    """Check the data of a run, or a profile for look-ahead and impurity."""


@app.command("data")
def data(
    run: Annotated[str, typer.Argument(help="A run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show what the data checks of a run found: limits, worst values, failing symbols."""
    from quantflow.cli.review import actions

    actions.checks(run, workspace, as_json=json)


@app.command("purity")
def purity(
    target: Annotated[
        str,
        typer.Argument(help="Profile, meta profile or run.", autocompletion=complete.profiles_and_metas),
    ],
    as_of: AsOf = None,
    workspace: Workspace = None,
    sets: Sets = None,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Check that stages depend on nothing undeclared: run each in two environments and compare bytes.

    Exits with 1 if any output differs, or a stage reads a file or variable that it does not declare. A run's data are
    used as it fetched them; those of a profile are fetched. Needs no server and leaves no files.
    """
    asked = parse_date(as_of)
    from quantflow.cli.review import actions

    if not actions.purity(target, workspace, sets or (), asked, quiet=no_progress or json, as_json=json):
        raise typer.Exit(1)


@app.command("lookahead")
def lookahead(
    profile: Annotated[
        str,
        typer.Option(
            "--profile", "-p", help="Profile or meta profile to check, e.g. demo.", autocompletion=complete.profiles
        ),
    ],
    probes: Annotated[int, typer.Option("--probes", "-n", min=1, max=1000, help="Number of past dates to check.")] = 12,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed for choosing the dates.")] = 0,
    as_of: AsOf = None,
    workspace: Workspace = None,
    sets: Sets = None,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Check for look-ahead: decide at past dates on truncated and on full data, and compare bit by bit.

    Exits with 1 if any decision differs. Needs no server and leaves no files.
    """
    asked = parse_date(as_of)
    from quantflow.cli.review import actions

    if not actions.lookahead(
        profile, workspace, sets or (), asked, probes, seed, quiet=no_progress or json, as_json=json
    ):
        raise typer.Exit(1)
