"""Tables of profiles, and what a promotion changes of one, for people; to stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from quantflow.config.catalogue import Entry
from quantflow.config.problems import show as as_toml
from quantflow.config.source import Source
from quantflow.ui.tables import out, show

if TYPE_CHECKING:
    from quantflow.desk.promote import Plan
    from quantflow.desk.promotions import Promotion


def plain_table(*columns: str) -> Table:
    """Return an empty table without lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column)
    return table


def print_entries(found: Sequence[Entry]) -> None:
    """Print the profiles and meta profiles there are."""
    table = plain_table("NAME", "KIND", "FROM", "EXTENDS OR SLEEVES", "STAGES OF ITS OWN")
    for entry in found:
        made_of = entry.extends or ", ".join(entry.sleeves)
        table.add_row(entry.name, entry.kind, entry.source, escape(made_of), escape(", ".join(entry.stages)))
    show(out(), table)


def print_values(values: Sequence[tuple[str, Any, Source]], *, sources: bool) -> None:
    """Print every setting, and where it came from if asked for."""
    table = plain_table("SETTING", "VALUE", *(["FROM"] if sources else []))
    for key, value, source in values:
        text = "not set" if value is None else as_toml(value)
        table.add_row(key, escape(text), *([escape(str(source))] if sources else []))
    show(out(), table)


def print_promotions(found: Sequence[Promotion]) -> None:
    """Print which runs a profile has its settings of, who decided that, and when; the newest last."""
    for each in found:
        line = f"promoted from run {each.run_id} (profile {each.of_profile}) by {each.who}, {each.at}"
        out().print(escape(line), style="dim", soft_wrap=True)


def print_promotion(plan: Plan) -> None:
    """Print what a promotion changes: settings, lines of the file, the book, and other profiles."""
    console, run = out(), plan.candidate
    how = "as it is" if not plan.created else f"new, extends {plan.extends}" if plan.extends else "new, stands alone"
    whose = f"run {run.id} (profile {run.profile}, as of {run.as_of})"
    console.print(
        f"[bold]{escape(whose)}[/] to profile [bold]{escape(plan.profile)}[/] ({escape(how)})", soft_wrap=True
    )
    if not plan.needed:
        console.print(f"{escape(plan.profile)} has these settings already")
        return
    table = plain_table("SETTING", "BEFORE", "AFTER")
    for key, values in plan.changes.items():
        table.add_row(key, *(escape("not set" if value is None else as_toml(value)) for value in values))
    show(console, table)
    console.print()
    for line in plan.diff.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        console.print(escape(line), style=style, soft_wrap=True)
    console.print()
    book = f"against the book of run {plan.book}" if plan.book else "from cash, since there is no book"
    console.print(f"turnover {plan.turnover:.1%} (both sides) {escape(book)}", soft_wrap=True)
    for gate in plan.gates:
        console.print(f"publish would hold it back: {escape(gate)}", style="yellow", soft_wrap=True)
    if not plan.gates:
        console.print("publish would not hold it back")
    if plan.also:
        console.print(f"changes too, since they extend it: {escape(', '.join(plan.also))}", style="yellow")


def print_checked(checked: Sequence[Entry], warnings: Mapping[str, Sequence[str]]) -> None:
    """Print that all can be used, and what is odd with each."""
    for name, line in ((name, line) for name, lines in warnings.items() for line in lines):
        out().print(f"{name}: {escape(line)}", style="yellow", soft_wrap=True)
    out().print(f"{len(checked)} checked, all can be used: {', '.join(entry.name for entry in checked)}")
