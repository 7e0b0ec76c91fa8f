"""What ``status``, ``morning`` and ``catchup`` do: which sessions were done, and running those that were not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date
from functools import partial
from pathlib import Path

import typer

from quantflow.cli.mode import mode
from quantflow.cli.run.start import run_and_show
from quantflow.config.load import find_workspace, load_meta, load_profile
from quantflow.config.profile import MetaProfile, Profile
from quantflow.ops.morning import Morning, mornings
from quantflow.ops.notify import notifying, send
from quantflow.ops.sessions import Night, Nights, nights_of
from quantflow.runs.as_of import AsOf
from quantflow.runs.begin import begun, taken_up
from quantflow.runs.book import broken
from quantflow.runs.record import RunRecord
from quantflow.runs.run import Run
from quantflow.server.server import api_server
from quantflow.ui.emit import emit
from quantflow.ui.morning import print_mornings, text_of
from quantflow.ui.sessions import print_broken, print_nights

EVERY = 100_000


def status(sessions: int, profiles: Sequence[str], workspace: Path | None, *, as_json: bool) -> bool:
    """Show how the last sessions went; return whether all is well."""
    home = find_workspace(Path.cwd(), workspace)
    found = nights_of(home, sessions, profiles)
    books = [each for each in broken(home) if not profiles or each.profile in profiles]
    if as_json:
        emit("status", profiles=[each.json() for each in found], broken_books=[each.json() for each in books])
    elif found:
        print_nights(found)
    else:
        typer.echo(f"no runs in {home}", err=True)
    if not as_json:
        print_broken(books)
    return not books and not any(each.wrong for each in found)


def morning(profiles: Sequence[str], workspace: Path | None, *, notify: bool, as_json: bool) -> bool:
    """Show how all profiles stand, and send it if asked; return whether all is well."""
    home = find_workspace(Path.cwd(), workspace)
    found = mornings(home, profiles)
    if as_json:
        emit("morning", profiles=[each.json() for each in found])
    elif found:
        print_mornings(found)
    else:
        typer.echo(f"no runs in {home}", err=True)
    for each in found if notify else ():
        to = _loader(each)(each.profile, workspace=home).notify.to
        send(to, f"quantflow {each.profile}: this morning", text_of(each), bad=bool(each.wrong))
    return not any(each.wrong for each in found)


def catchup(
    profiles: Sequence[str],
    since: date | None,
    workspace: Path | None,
    *,
    no_progress: bool,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Run the sessions that are due, oldest first; or only list them."""
    home = find_workspace(Path.cwd(), workspace)
    found = nights_of(home, EVERY, profiles, since)
    due = sorted(((night.day, each.profile, night, each) for each in found for night in each.due), key=lambda x: x[:2])
    if not due:
        typer.echo("nothing to catch up", err=True)
        return
    for day, name, night, _ in due:
        typer.echo(f"{day}  {name}  {f'resume {night.run_id}' if night.run_id else 'run'}", err=True)
    if dry_run:
        return
    with api_server(home):
        for day, _, night, each in due:
            loaded = _loader(each)(each.profile, workspace=home)
            with notifying(loaded, home):
                run_and_show(home, partial(_begin, home, loaded, night, day), mode(no_progress, as_json))


def _begin(home: Path, loaded: Profile | MetaProfile, night: Night, day: date) -> AbstractContextManager[Run]:
    """Return the run of that session, to be owned: the one that was begun, else a new one."""
    if night.run_id:
        return taken_up(RunRecord(home, night.run_id))
    return begun(loaded, home, AsOf(day))


def _loader(each: Nights | Morning) -> Callable[..., Profile | MetaProfile]:
    return load_meta if each.kind == "meta" else load_profile
