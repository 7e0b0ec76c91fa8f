"""How the differences between two runs look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from quantflow.runs.compare import Comparison, Pair
from quantflow.ui.tables import new_table, out, show

_MOST = 15


def print_comparison(found: Comparison) -> None:
    """Print what differs, a table per kind of difference, then the turnover and the first stage that differs."""
    console = out()
    console.print(f"[bold]{escape(found.before)}[/] → [bold]{escape(found.after)}[/]")
    _pairs(console, "SETTING", found.settings)
    _pairs(console, "ENVIRONMENT", found.environment)
    old, new = found.data["as_of"]
    prices = "the same prices" if found.data["same_prices"] else "other prices"
    console.print(f"as-of   {old}" + (f" → {new}" if old != new else "") + f", {prices}")
    for word in ("came", "went"):
        if found.data[word]:
            console.print(f"{word}    {escape(', '.join(found.data[word]))}", soft_wrap=True)
    _pairs(console, "SYMBOLS LEFT BY", found.counts)
    if found.weights:
        table = new_table("SYMBOL", ">BEFORE", ">AFTER", ">CHANGE")
        for name, (before, after) in list(found.weights.items())[:_MOST]:
            change = (after or 0.0) - (before or 0.0)
            table.add_row(escape(name), *("" if x is None else f"{x:.2%}" for x in (before, after)), f"{change:+.2%}")
        show(console, table)
        rest = len(found.weights) - _MOST
        console.print(f"turnover {found.turnover:.2%}" + (f", {rest} smaller changes not shown" if rest > 0 else ""))
    else:
        console.print("the weights are the same, to the bit")
    if found.first:
        console.print(f"first stage that differs: {found.first} ({found.because})")


def _pairs(console: Console, head: str, pairs: Mapping[str, Pair]) -> None:
    if not pairs:
        return
    table = new_table(head, "BEFORE", "AFTER")
    for name, pair in pairs.items():
        table.add_row(escape(name), *(escape(_text(value)) for value in pair))
    show(console, table)


def _text(value: Any) -> str:
    return "not set" if value is None else str(value)
