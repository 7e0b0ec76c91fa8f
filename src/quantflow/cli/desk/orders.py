"""``quantflow orders``: the trades that bring an account to the book."""

from __future__ import annotations

import json as jsonlib
import os
from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace

SCHEMA_VERSION = 1
TRADES_NEEDED = 10

OfProfile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        help="Whose book; needed when there are several.",
        autocompletion=complete.profiles_and_metas,
    ),
]


def orders(
    holdings: Annotated[
        Path, typer.Option("--holdings", metavar="FILE", help="What is held: CSV (symbol,quantity,price) or JSON.")
    ],
    run: Annotated[
        str | None,
        typer.Argument(help="A run, or 'latest'; the current book by default.", autocompletion=complete.runs),
    ] = None,
    profile: OfProfile = None,
    capital: Annotated[
        float | None,
        typer.Option("--capital", metavar="AMOUNT", help="What the weights are fractions of; the account by default."),
    ] = None,
    stale_ok: Annotated[bool, typer.Option("--stale-ok", help="Take a book that a newer run did not replace.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write; orders.csv in the run's folder.")
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="End with 10 when there are orders, 0 when there are none.")
    ] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Print and write the orders that bring an account to the book, and why each is made or not."""
    import math

    from quantflow.config.load import find_workspace
    from quantflow.data.store import write_atomic
    from quantflow.desk.holdings import read_holdings
    from quantflow.desk.orders import FILE, orders_of
    from quantflow.desk.target import target_of
    from quantflow.errors import ConfigError

    if capital is not None and not 0.0 < capital < math.inf:
        raise ConfigError(f"--capital {capital:g} is no amount of money.", hint="Give one above 0, e.g. 100000.")
    home = find_workspace(Path.cwd(), workspace)
    held = read_holdings(holdings)
    target = target_of(home, run, profile, stale_ok=stale_ok)
    file = _file(out or target.run.folder / FILE)
    found = orders_of(target, held, capital)
    write_atomic(file, found.csv().encode())
    if json:
        facts = {"schema_version": SCHEMA_VERSION, "event": "orders", **found.json(), "file": str(file)}
        typer.echo(jsonlib.dumps(facts))
    else:
        from quantflow.ui.orders import print_orders

        if found.stale:
            typer.echo(f"warning: the book is stale. {' '.join(found.stale.split())}", err=True)
        print_orders(found, str(file))
    if detailed_exitcode and found.orders:
        raise typer.Exit(TRADES_NEEDED)


def _file(path: Path) -> Path:
    """Return the file that is written: of a link what it names, so that it stays one; only a file is replaced."""
    from quantflow.errors import ConfigError

    file = Path(os.path.realpath(path))
    if not file.parent.is_dir() or (file.exists() and not file.is_file()):
        raise ConfigError(f"{file} cannot be written: it is no file, or its folder is not there.", hint="Name a file.")
    return file
