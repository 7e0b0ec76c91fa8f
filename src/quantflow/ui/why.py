"""How the path of a name looks."""

from __future__ import annotations

from rich.markup import escape

from quantflow.review.why.path import Path
from quantflow.ui.tables import new_table, out, show

_SHOWN = 4
"""Changes that are printed; JSON has them all."""


def print_path(path: Path) -> None:
    """Print a line per stage, then the nearest changes, then the same of each sleeve."""
    console = out()
    held = f"{path.weight:+.2%}" if path.weight else "not held"
    console.print(f"[bold]{escape(path.symbol)}[/] in {escape(path.run_id)}: {held}")
    if path.steps:
        table = new_table("STAGE", "OUTCOME", ">VALUE", ">LIMIT", ">MARGIN")
        for step in path.steps:
            figures = ("" if x is None else f"{x:.4g}" for x in (step.value, step.limit, step.margin))
            table.add_row(step.stage, escape(step.outcome), *figures)
        show(console, table)
    for claim in path.changes[:_SHOWN]:
        console.print(escape(claim.says), soft_wrap=True)
    for inner in path.sleeves.values():
        console.print()
        print_path(inner)
