"""How checks look: what is being done, then tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.table import Table

from quantflow.review.lookahead import Lookahead
from quantflow.ui.screen import Screen
from quantflow.ui.tables import new_table, out, show

SECONDS_BETWEEN_LINES = 5.0


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
    table = new_table("PROBE", ">SYMBOLS", ">WINNERS", "RESULT")
    for probe in found.probes:
        first = next((f"differs from {entry.stage} on" for entry in probe.differences), "")
        style, words = ("bold red", first) if first else ("green", "same to the bit")
        won = "-" if probe.winners is None else str(probe.winners)
        ended = f", ends with: {escape(probe.ended)}" if probe.ended else ""
        table.add_row(probe.date, str(probe.symbols), won, f"[{style}]{words}[/]{ended}")
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
