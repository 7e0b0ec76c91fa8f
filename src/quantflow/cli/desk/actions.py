"""What the commands for those who trade do."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

import typer

from quantflow.config.load import find_workspace
from quantflow.data.store import write_atomic
from quantflow.desk.holdings import read_holdings
from quantflow.desk.orders import FILE, orders_of
from quantflow.desk.promote import candidate_of, plan
from quantflow.desk.promote import promote as write_profile
from quantflow.desk.publish import publish as move_book
from quantflow.desk.target import target_of
from quantflow.errors import ConfigError
from quantflow.runs.find import find_portfolio
from quantflow.ui.emit import emit
from quantflow.ui.orders import print_orders
from quantflow.ui.profiles import print_promotion


def orders(
    holdings: Path,
    run: str | None,
    profile: str | None,
    capital: float | None,
    out: Path | None,
    workspace: Path | None,
    *,
    stale_ok: bool,
    as_json: bool,
) -> int:
    """Print and write the orders that bring an account to the book; return how many there are."""
    if capital is not None and not 0.0 < capital < math.inf:
        raise ConfigError(f"--capital {capital:g} must be a positive amount.", hint="Give one above 0, e.g. 100000.")
    home = find_workspace(Path.cwd(), workspace)
    held = read_holdings(holdings)
    target = target_of(home, run, profile, stale_ok=stale_ok)
    file = _file(out or target.run.folder / FILE)
    found = orders_of(target, held, capital)
    write_atomic(file, found.csv().encode())
    if as_json:
        emit("orders", **found.json(), file=str(file))
    else:
        if found.stale:
            typer.echo(f"warning: the book is stale. {' '.join(found.stale.split())}", err=True)
        print_orders(found, str(file))
    return len(found.orders)


def _file(path: Path) -> Path:
    """Return the file that is written: of a link what it names, so that it stays one; only a file is replaced."""
    file = Path(os.path.realpath(path))
    if not file.parent.is_dir() or (file.exists() and not file.is_file()):
        raise ConfigError(
            f"{file} cannot be written: it is not a file, or its folder does not exist.", hint="Name a file."
        )
    return file


def promote(run: str, to: str, workspace: Path | None, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Show what promoting a run would do; do it, once that is confirmed."""
    home = find_workspace(Path.cwd(), workspace)
    asks = not (yes or dry_run)
    if asks and (as_json or not (sys.stdin.isatty() and sys.stdout.isatty())):
        raise ConfigError(
            "Nobody can be asked whether to promote.", hint="Look with --dry-run, then decide with --yes."
        )
    planned = plan(home, candidate_of(home, run), to)
    if not as_json:
        print_promotion(planned)
    go = planned.needed and not dry_run and (yes or typer.confirm(f"Write this to {home / 'quantflow.toml'}?"))
    if go:
        write_profile(home, planned)
    if as_json:
        emit("promotion", **planned.json(written=go))
    elif planned.needed:
        typer.echo(f"promoted: quantflow select --profile {to}" if go else "nothing was written")


def publish(run: str, workspace: Path | None) -> None:
    """Make a complete run its profile's current book."""
    found = find_portfolio(find_workspace(Path.cwd(), workspace), run)
    if found.state != "completed":
        raise ConfigError(f"Run {found.id} is {found.state}, not complete.", hint=f"quantflow resume {found.id}")
    book = move_book(found)
    typer.echo(
        str(book)
        if book
        else "not published: a newer book exists, or the profile's settings have changed since this run"
    )
