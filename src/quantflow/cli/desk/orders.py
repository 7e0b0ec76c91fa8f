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
        help="Whose book (needed if there are several).",
        autocompletion=complete.profiles_and_metas,
    ),
]


def orders(
    holdings: Annotated[
        Path, typer.Option("--holdings", metavar="FILE", help="Current holdings: CSV (symbol,quantity,price) or JSON.")
    ],
    run: Annotated[
        str | None,
        typer.Argument(help="A run, or 'latest' (default: the current book).", autocompletion=complete.runs),
    ] = None,
    profile: OfProfile = None,
    capital: Annotated[
        float | None,
        typer.Option("--capital", metavar="AMOUNT", help="Capital to size orders with (default: account value)."),
    ] = None,
    stale_ok: Annotated[bool, typer.Option("--stale-ok", help="Use the current book even if it is stale.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Output file (default: orders.csv in the run's folder)."),
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 10 if there are orders, 0 if there are none.")
    ] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Print and write the orders that move an account to the book, with the reason for each."""
    from quantflow.cli.desk import actions

    found = actions.orders(holdings, run, profile, capital, out, workspace, stale_ok=stale_ok, as_json=json)
    if detailed_exitcode and found:
        raise typer.Exit(TRADES_NEEDED)
