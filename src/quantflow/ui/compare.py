"""How the differences between two runs look, and those between all that were tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from quantflow.review.bridge import Bridge, Part
from quantflow.review.compare import Comparison, Pair
from quantflow.review.trials import Trials
from quantflow.ui.tables import new_table, out, show

_MOST = 15
_NOTHING = 5e-5
"""What is shown as 0.00%."""


def print_comparison(found: Comparison, bridge: Bridge | None) -> None:
    """Print what differs, a table per kind of difference, then the turnover and the first stage that differs.

    Args:
        found: The differences.
        bridge: What the turnover came from; None when there is none.
    """
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
        mostly = bridge.mostly if bridge else {}
        table = new_table("SYMBOL", ">BEFORE", ">AFTER", ">CHANGE", *["MOSTLY FROM"] * bool(mostly))
        for name, (before, after) in list(found.weights.items())[:_MOST]:
            change = (after or 0.0) - (before or 0.0)
            shown = ["" if x is None else f"{x:.2%}" for x in (before, after)]
            table.add_row(escape(name), *shown, f"{change:+.2%}", *[mostly.get(name, "")] * bool(mostly))
        show(console, table)
        rest = len(found.weights) - _MOST
        console.print(f"turnover {found.turnover:.2%}" + (f", {rest} smaller changes not shown" if rest > 0 else ""))
    else:
        console.print("the weights are the same, to the bit")
    if bridge:
        _bridge(console, bridge)
    if found.first:
        console.print(f"first stage that differs: {found.first} ({found.because})")


def _bridge(console: Console, bridge: Bridge) -> None:
    """Print where the turnover came from: a line per term, below it one per step where several moved something."""
    if bridge.unknown:
        console.print(f"where the turnover came from is not known: {escape(bridge.unknown)}", soft_wrap=True)
        return
    table = new_table("TURNOVER FROM", ">PART", ">MOVED")
    nothing: list[str] = []
    for term, part in bridge.terms.items():
        steps = [step for step in bridge.steps if step.term == term]
        moved = sum(step.moved for step in steps)
        if moved < _NOTHING:
            nothing += [term] * (term != "code")
            continue
        table.add_row(term, f"{part:+.2%}", f"{moved:.2%}")
        for step in _several(steps):
            way = f"through {step.through}" if term == "data" else step.through
            table.add_row(f"  {escape(way)}", f"{step.part:+.2%}", f"{step.moved:.2%}", style="dim")
    table.add_row("total", f"{sum(bridge.terms.values()):.2%}", f"{sum(step.moved for step in bridge.steps):.2%}")
    show(console, table)
    if nothing:
        console.print(f"nothing from {', '.join(nothing)}", style="dim", soft_wrap=True)


def _several(steps: Sequence[Part]) -> list[Part]:
    named = [step for step in steps if step.through and step.moved >= _NOTHING]
    return named if len(named) > 1 or (named and named[0].term != "universe") else []


def _pairs(console: Console, head: str, pairs: Mapping[str, Pair]) -> None:
    if not pairs:
        return
    table = new_table(head, "BEFORE", "AFTER")
    for name, pair in pairs.items():
        table.add_row(escape(name), *(escape(_text(value)) for value in pair))
    show(console, table)


def _text(value: Any) -> str:
    return "not set" if value is None else str(value)


def print_trials(found: Trials) -> None:
    """Print a line per trial, the best first, one per family, and what their number leaves of the judged run."""
    table = new_table("RUN", "FROM", "AS-OF", ">SHARPE", ">CLUSTER")
    for row in found.trials:
        cells = (escape(row.run_id), row.first or "unknown", row.as_of, f"{row.sharpe:.2f}", str(row.cluster))
        table.add_row(*cells, style="bold" if row.judged else "")
    families = new_table("FAMILY", ">TRIALS", ">CLUSTERS", "FROM", "TO")
    for family in found.families:
        numbers = str(family.trials), str(family.clusters)
        families.add_row(escape(family.name), *numbers, family.first or "unknown", family.last)
    console = out()
    for each in (table, families):
        show(console, each)
        console.print()
    for line in _trials_read(found):
        console.print(line, soft_wrap=True)


def _trials_read(found: Trials) -> Iterator[str]:
    """Yield what a trial is, and what the trials leave of the run."""
    left = found.deflated
    yield "[dim]Trial: one set of settings that change weights, on this source, with overlapping dates and names.[/]"
    yield "[dim]Cluster: trials whose returns are variants of one another.[/]"
    if found.elsewhere:
        yield f"[dim]Not counted: {found.elsewhere} in this workspace on other data, dates or names.[/]"
    yield ""
    own = next(row.sharpe for row in found.trials if row.judged)
    yield f"[bold]{escape(found.run_id)}[/]  Sharpe {own:.2f} (95%: {found.low:.2f} to {found.high:.2f})"
    yield f"above 0 with probability {_share(found.probabilistic_sharpe)} as the only trial"
    yield (
        f"above 0 with probability [bold]{_share(left.probability)}[/] as the choice among {left.number} "
        "in this workspace (deflated Sharpe)"
    )
    if left.trials > 1:
        yield (
            f"[dim]by count ({left.trials}): {_share(left.by_count)}; by clusters ({left.clusters}): "
            f"{_share(left.by_clusters)}; their best is as good as that of {found.equivalent:.0f} independent ones[/]"
        )


def _share(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1%}"
