"""How a check-up looks. Imports none of the tables of runs: it must work where numpy does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from quantflow.doctor.base import Finding, Result
from quantflow.ui.screen import Screen

_STYLES: Mapping[Result, str] = {Result.OK: "green", Result.WARN: "yellow", Result.BLOCKS: "bold red"}


def print_checkup(findings: Sequence[Finding]) -> None:
    """Print a line per finding; then what mends them, each in one line that can be copied."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("CHECK", "RESULT", "DETAIL"):
        table.add_column(column)
    for each in findings:
        table.add_row(each.check, f"[{_STYLES[each.result]}]{each.result}[/]", escape(each.detail))
    console = Screen(highlight=False)
    if not console.is_terminal:
        console = Screen(highlight=False, width=200)
    console.print(table)
    todo = [each for each in findings if each.fix and each.result is not Result.OK]
    if not todo:
        return
    console.print()
    console.print("FIX", style="dim")
    for each in todo:
        console.print(f"[{_STYLES[each.result]}]{each.check:<11}[/]  {escape(each.fix)}", soft_wrap=True)
