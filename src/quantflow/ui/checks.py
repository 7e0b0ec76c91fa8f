"""How the data checks of a run look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from quantflow.review.restated import Restatement
from quantflow.runs.run import Run
from quantflow.ui.tables import new_table, out, show

_STYLES = {"passed": "green", "warn": "yellow", "quarantined": "bold red", "blocked": "bold red"}
_NAMED = 5


def print_checks(run: Run, record: Mapping[str, Any], changed: Restatement | None) -> None:
    """Print a line per check, then how many symbols are left, then what the provider has changed since.

    Args:
        run: The run.
        record: What ``quantflow.data.checks.checks_record`` gave.
        changed: Bars that are not what they were; None when all are.
    """
    table = new_table("CHECK", "SEVERITY", "BLOCK", ">LIMIT", ">WORST", "RESULT", "SYMBOLS", "ABOUT")
    for row in record["checks"]:
        table.add_row(
            row["check"],
            row["severity"],
            "yes" if row["block"] else "no",
            f"{row['limit']:g}",
            "-" if row["observed"] is None else f"{row['observed']:.4g}",
            f"[{_STYLES[row['outcome']]}]{row['outcome']}[/]",
            escape(_names(row["symbols"])),
            f"[dim]{row['about']}[/]",
        )
    console = out()
    console.print(f"[bold]{escape(run.id)}[/]  as-of {run.as_of}")
    show(console, table)
    console.print(f"{record['kept']} of {record['asked']} symbols kept")
    if changed is not None:
        console.print()
        show(console, _restated(changed))
        console.print(escape(changed.line), style="yellow", soft_wrap=True)


def _restated(changed: Restatement) -> Table:
    table = new_table("SYMBOL", ">BARS", "FIRST", "LAST", title="Restated history")
    for symbol, days in changed.days.items():
        table.add_row(escape(symbol), str(len(days)), days[0], days[-1])
    return table


def _names(symbols: list[str]) -> str:
    more = f" and {len(symbols) - _NAMED} more" if len(symbols) > _NAMED else ""
    return " ".join(symbols[:_NAMED]) + more
