"""How a check-up looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.markup import escape

from quantflow.doctor.base import Finding, Result
from quantflow.ui.tables import new_table, out, show

_STYLES: Mapping[Result, str] = {Result.OK: "green", Result.WARN: "yellow", Result.BLOCKS: "bold red"}


def print_checkup(findings: Sequence[Finding]) -> None:
    """Print a line per finding; then what mends them, each in one line that can be copied."""
    table = new_table("CHECK", "RESULT", "DETAIL")
    for each in findings:
        table.add_row(each.check, f"[{_STYLES[each.result]}]{each.result}[/]", escape(each.detail))
    console = out()
    show(console, table)
    todo = [each for each in findings if each.mend and each.result is not Result.OK]
    if not todo:
        return
    console.print()
    console.print("MEND", style="dim")
    for each in todo:
        console.print(f"[{_STYLES[each.result]}]{each.check:<11}[/]  {escape(each.mend)}", soft_wrap=True)
