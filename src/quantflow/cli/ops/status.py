"""``quantflow status`` and ``quantflow catchup``: which sessions were done, and making up those that were not."""

from __future__ import annotations

import json as jsonlib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantflow.cli.options import AsJson, DryRun, NoProgress, Only, Workspace, parse_date

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from quantflow.ops.sessions import Night, Nights
    from quantflow.runs.run import Run

SCHEMA_VERSION = 1
EVERY = 100_000


def status(
    sessions: Annotated[int, typer.Option("--sessions", min=1, help="How many sessions to look back.")] = 30,
    profile: Only = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show per profile how each session went: done, degraded, late, failed, missed, or closed."""
    from quantflow.config.load import find_workspace
    from quantflow.ops.sessions import nights_of
    from quantflow.runs.book import broken
    from quantflow.ui.sessions import print_broken, print_nights

    home = find_workspace(Path.cwd(), workspace)
    found = nights_of(home, sessions, profile or ())
    books = [each for each in broken(home) if not profile or each.profile in profile]
    if json:
        facts = {"profiles": [each.json() for each in found], "broken_books": [each.json() for each in books]}
        typer.echo(jsonlib.dumps({"schema_version": SCHEMA_VERSION, "event": "status", **facts}))
        return
    if found:
        print_nights(found)
    else:
        typer.echo(f"no runs in {home}", err=True)
    print_broken(books)


def catchup(
    profile: Only = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Begin here instead of with the first run.")
    ] = None,
    dry_run: DryRun = False,
    workspace: Workspace = None,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Run the sessions that were missed or failed, oldest first, each with what was known on its own date."""
    from quantflow.config.load import find_workspace
    from quantflow.ops.sessions import nights_of

    home = find_workspace(Path.cwd(), workspace)
    found = nights_of(home, EVERY, profile or (), parse_date(since))
    due = sorted(((night.day, each.profile, night, each) for each in found for night in each.due), key=lambda x: x[:2])
    if not due:
        typer.echo("nothing to catch up", err=True)
        return
    for day, name, night, _ in due:
        typer.echo(f"{day}  {name}  {f'resume {night.run_id}' if night.run_id else 'run'}", err=True)
    if dry_run:
        return
    from quantflow.cli.running import run_and_show
    from quantflow.server.server import api_server
    from quantflow.ui.progress import default_mode

    mode = default_mode(no_progress=no_progress, as_json=json)
    with api_server(home):
        for day, _, night, each in due:
            run_and_show(home, lambda day=day, night=night, each=each: _begin(home, each, night, day), mode)  # type: ignore[misc]


def _begin(home: Path, each: Nights, night: Night, day: date) -> AbstractContextManager[Run]:
    """Return the run of that session, to be owned: the one that was begun, else a new one."""
    from quantflow.config.load import load_meta, load_profile
    from quantflow.runs.begin import begun, taken_up
    from quantflow.runs.record import RunRecord

    if night.run_id:
        return taken_up(RunRecord(home, night.run_id))
    load = load_meta if each.kind == "meta" else load_profile
    return begun(load(each.profile, workspace=home), home, day)
