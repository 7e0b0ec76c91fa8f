"""``quantflow orders``: the trades that bring an account to the book."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, Workspace

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
    from quantflow.cli.desk import actions

    found = actions.orders(holdings, run, profile, capital, out, workspace, stale_ok=stale_ok, as_json=json)
    if detailed_exitcode and found:
        raise typer.Exit(TRADES_NEEDED)
