"""How checks look, of a run's data and of a profile for look-ahead, and what is written while they go on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.markup import escape
from rich.table import Table

from quantflow.data.providers.files.locations import shown
from quantflow.data.providers.files.look import Look
from quantflow.review.lookahead import Lookahead
from quantflow.review.purity.check import Purity
from quantflow.review.restated import Restatement
from quantflow.runs.run import Run
from quantflow.stages.report.facts import survivors
from quantflow.ui.screen import Screen
from quantflow.ui.tables import new_table, out, show

_STYLES = {"passed": "green", "warn": "yellow", "ended": "yellow", "quarantined": "bold red", "blocked": "bold red"}
_NAMED = 5
SECONDS_BETWEEN_LINES = 5.0


def print_checks(run: Run, record: Mapping[str, Any], changed: Restatement | None) -> None:
    """Print a line per check, then how many symbols are left, then what the provider has changed since.

    Args:
        run: The run.
        record: What ``quantflow.data.quality.checks.checks_record`` gave.
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
    over = f", {record['ended']} no longer traded" if record["ended"] else ""
    console.print(f"{record['kept']} of {record['asked']} symbols kept{over}")
    if "universe" in record:
        console.print(survivors(record), soft_wrap=True)
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


@contextmanager
def telling(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield what must be called with each new line of progress.

    On a terminal the line is redrawn in place; elsewhere one is written every few seconds; *quiet* shows none.
    """
    console = Screen(stderr=True, highlight=False)
    if quiet:
        yield lambda _: None
    elif console.is_terminal:
        with console.status("") as status:
            yield lambda line: status.update(escape(line))
    else:
        yield _Throttled().tell


class _Throttled:
    def __init__(self) -> None:
        self._next = 0.0

    def tell(self, line: str) -> None:
        """Write the line, unless one was written just now."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SECONDS_BETWEEN_LINES
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def print_lookahead(found: Lookahead) -> None:
    """Print a line per probe, the differences, and their number."""
    table = new_table("PROBE", ">SYMBOLS", ">WINNERS", ">HELD", "RESULT")
    for probe in found.probes:
        first = next((f"differs from {entry.stage} on" for entry in probe.differences), "")
        style, words = ("bold red", first) if first else ("green", "same to the bit")
        won, held = ("-" if number is None else str(number) for number in (probe.winners, probe.held))
        ended = f", ends with: {escape(probe.ended)}" if probe.ended else ""
        table.add_row(probe.date, str(probe.symbols), won, held, f"[{style}]{words}[/]{ended}")
    console = out()
    show(console, table)
    if found.differences:
        console.print()
        show(console, _differences(found))
    console.print()
    many = len(found.differences)
    console.print(f"{many} difference{'' if many == 1 else 's'}", style="bold red" if many else "bold green", end="")
    console.print(
        f"  {escape(found.profile)} up to {found.as_of}: {', '.join(found.stages)} at {len(found.probes)} of "
        f"{found.eligible} sessions (seed {found.seed})",
        soft_wrap=True,
    )


def _differences(found: Lookahead) -> Table:
    table = new_table("STAGE", "ARTIFACT", "COLUMN", "SYMBOL", "DATE", "PROBE", "VIEW", ">CUT", ">FULL")
    for entry in found.differences:
        column = entry.column if entry.columns == 1 else f"{entry.column} (+{entry.columns - 1})"
        words = (entry.stage, entry.artifact, column, entry.symbol, entry.date, entry.probe, entry.view)
        table.add_row(*(escape(word) for word in (*words, entry.cut, entry.full)))
    return table


def print_look(found: Look) -> None:
    """Print how many symbols and days there are, what had to be said for them to be read, and the first rows."""
    console = out()
    many = f"{len(found.symbols)} symbol{'s' * (len(found.symbols) != 1)}"
    console.print(
        f"{escape(shown(str(found.options.path)))}: {many}, {found.days[0]} to {found.days[-1]}", soft_wrap=True
    )
    said = {"date_format": found.options.date_format, "decimal": found.options.decimal}
    for name, value in said.items():
        if value is not None:
            console.print(f"read with data.{name} = {escape(repr(value))}, the only way in which every row can be read")
    table = new_table("SYMBOL", "DATE", *(f">{name.upper()}" for name in found.head.columns[2:]))
    for row in found.head.itertuples(index=False):
        numbers = (f"{value:.10g}" for value in row[2:])
        table.add_row(escape(str(row[0])), f"{row[1]:%Y-%m-%d}", *numbers)
    show(console, table)


def print_purity(found: Purity) -> None:
    """Print what differs or was read undeclared, and which stages were compared."""
    console = out()
    if found.found:
        table = new_table("STAGE", "AS-OF", "ARTIFACT", "COLUMN", "SYMBOL", "HERE", "ELSEWHERE", "CAUSE")
        for one in found.found:
            words = (one.stage, one.as_of, one.artifact, one.column, one.symbol, one.first, one.second, one.cause)
            table.add_row(*(escape(word) for word in words))
        show(console, table)
        console.print()
    many = len(found.found)
    console.print(f"{many} impurit{'y' if many == 1 else 'ies'}", style="bold red" if many else "bold green", end="")
    console.print(
        f"  {escape(found.profile)} as of {found.earlier} and {found.as_of}: {', '.join(found.stages)}", soft_wrap=True
    )
