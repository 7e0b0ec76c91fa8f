"""What the small commands for a workspace do: ``init``, ``cron``, ``gc``, ``server``."""

from __future__ import annotations

import shlex
import sys
from datetime import date, timedelta
from pathlib import Path

import typer

from quantflow.config.layers import read_overrides
from quantflow.config.load import find_workspace
from quantflow.config.source import FLAG
from quantflow.errors import ConfigError
from quantflow.ops.garbage import find_garbage, remove
from quantflow.ops.own_data import look_at, settings
from quantflow.ops.schedule import crontab
from quantflow.ops.starter import IGNORE, PROFILE, start_workspace
from quantflow.runs.lock import removal
from quantflow.server import kept
from quantflow.server.kept import ServerStatus
from quantflow.server.server import Part
from quantflow.ui.checks import print_look
from quantflow.ui.emit import emit

OLD = timedelta(days=10)
"""Prices that end longer ago are no feed, and a run of them names its session."""


def init(named: list[Path], data: list[str], sets: list[str]) -> None:
    """Write the first files of a workspace, over sample prices or someone's own, and say what comes next."""
    extra = [str(path) for path in named if data and path.is_file()]  # what a shell made of prices/*.csv
    folders = [path for path in named if str(path) not in extra] or [Path()]
    if len(folders) > 1:
        raise ConfigError(f"{folders[1]} is a second folder.", hint="quantflow init FOLDER --data FILE")
    folder, found = folders[0], None
    if data or sets:
        if not data:
            raise ConfigError("--set says how files are to be read, and no file is named.", hint="Add --data FILE.")
        said = [each for each in read_overrides(sets) if each.source is FLAG]
        found = look_at([*data, *extra], said)
    done = start_workspace(folder.absolute(), settings(found, folder.absolute()) if found else None)
    if found:
        print_look(found)
    for name in done.written:
        typer.echo(f"wrote  {folder / name}")
    if done.not_ignored:
        typer.echo(f"kept   {folder / IGNORE}; it does not name: {' '.join(done.not_ignored)}", err=True)
    there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    until = found.days[-1].item() if found else date.today()
    past = f" --as-of {until}" if date.today() - until > OLD else ""
    typer.echo(f"next   {there}quantflow select --profile {PROFILE}{past}", err=True)


def cron(profile: str, after: str | None, workspace: Path | None) -> None:
    """Print the schedule of a profile for cron and for systemd."""
    home = find_workspace(Path.cwd(), workspace).resolve()
    program = Path(sys.argv[0]).resolve()
    program = program if program.name == "quantflow" else Path(sys.executable).with_name("quantflow")
    typer.echo(crontab(home, profile, program, after))


def gc(keep: int, older_than: int | None, workspace: Path | None, *, dry_run: bool) -> None:
    """Remove old runs and what only they needed, or say what would go."""
    home = find_workspace(Path.cwd(), workspace)
    with removal(home):
        found = find_garbage(home, keep, timedelta(days=older_than) if older_than is not None else None)
        if not dry_run:
            found = remove(home, found)
    for name in found.runs:
        typer.echo(name)
    verb, size = "would remove" if dry_run else "removed", found.bytes / 2**20
    typer.echo(f"{verb} {len(found.runs)} runs and {len(found.files)} files ({size:.1f} MiB)", err=True)
    for each in found.left:
        typer.echo(f"left alone: {each.name}: {each.why}", err=True)
    if found.live:
        typer.echo(f"Skipping files while runs are in progress: {', '.join(found.live)}", err=True)


def start_server(workspace: Path | None, *, ui: bool, as_json: bool) -> None:
    """Start the workspace's API server, unless one is configured; show which one runs use."""
    home = find_workspace(Path.cwd(), workspace)
    found = kept.server_status(home)
    _show(found if found.configured else kept.start_server(home, [Part.UI] if ui else ()), home, as_json)


def stop_server(workspace: Path | None) -> None:
    """Stop the workspace's API server."""
    ended = kept.stop_server(find_workspace(Path.cwd(), workspace))
    typer.echo("stopped" if ended else "a run uses it: it ends with that run", err=True)


def show_server(workspace: Path | None, *, as_json: bool) -> bool:
    """Show which API server runs use; return whether it answers."""
    home = find_workspace(Path.cwd(), workspace)
    found = kept.server_status(home)
    _show(found, home, as_json)
    return found.healthy


def _show(found: ServerStatus, home: Path, as_json: bool) -> None:
    if as_json:
        emit("server", **found.json())
    elif found.url is None:
        typer.echo("no API server is running; each run starts its own")
    else:
        about = "configured" if found.configured else f"pid {found.pid}, since {found.since}"
        life = "kept" if found.kept else "another's" if found.configured else "ends with the last run"
        typer.echo(f"{found.url}  {'healthy' if found.healthy else 'DOES NOT ANSWER'}  {about}, {life}")
        if found.ui:
            typer.echo(pages(found.ui, home))


def pages(address: str, home: Path) -> str:
    """Return where Prefect's pages are, and where the password is that they ask for."""
    return f"pages   {address}  password: credential in {home / '.quantflow' / 'server' / 'state.json'}"
