"""How orders look."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.console import Console
from rich.markup import escape

from quantflow.desk.orders import Orders
from quantflow.ui.tables import new_table, out, show


def print_orders(found: Orders, file: str) -> None:
    """Print whose book is followed, the orders, what was left alone and by which rule, and what it comes to."""
    console = out()
    what = f"the book of {found.profile}" if found.book else found.profile
    console.print(f"{escape(what)}, run {escape(found.run_id)}, closes of {found.as_of}", soft_wrap=True)
    if found.orders:
        table = new_table("SYMBOL", "SIDE", ">QUANTITY", ">PRICE", ">AMOUNT", ">NOW", ">BOOK", ">COST", "WHY")
        for order in found.orders:
            figures = (f"{order.quantity:.15g}", f"{order.price:.6g}", f"{order.notional:.2f}")
            weights = (f"{order.current_weight:.2%}", f"{order.target_weight:.2%}")
            table.add_row(escape(order.symbol), order.side, *figures, *weights, f"{order.cost:.2f}", order.reason)
        show(console, table)
    _skipped(console, found)
    _totals(console, found)
    for note in found.notes:
        console.print(escape(note), soft_wrap=True)
    console.print(f"written {escape(file)}", soft_wrap=True)


def _skipped(console: Console, found: Orders) -> None:
    if not found.skipped:
        return
    console.print()
    table = new_table("LEFT ALONE", ">NOW", ">BOOK", "RULE", ">VALUE", ">LIMIT")
    for name in found.skipped:
        weights = (f"{name.current_weight:.2%}", f"{name.target_weight:.2%}")
        rule, figure = _RULES[name.rule]
        table.add_row(escape(name.symbol), *weights, rule, *(figure(x) for x in (name.value, name.limit)))
    show(console, table)


_RULES: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "band": ("nearer than the band", "{:.2%}".format),
    "lot": ("less than a lot", "{:.6g}".format),
    "min_notional": ("below the smallest order", "{:.2f}".format),
    "cash": ("no cash left", "{:.2f}".format),
}


def _totals(console: Console, found: Orders) -> None:
    unit = f" {found.currency}" if found.currency else ""
    count = len(found.orders)
    console.print()
    console.print(
        f"{count} order{'s' * (count != 1)}: {found.turnover:.2%} of {found.capital:.2f}{unit} traded, "
        f"cost {found.cost:.2f}, cash {found.cash_before:.2f} → {_money(found.cash_after)}, "
        f"{found.tracking_difference:.2%} off the book",
        soft_wrap=True,
    )


def _money(amount: float) -> str:
    return f"{round(amount, 2) + 0.0:.2f}"  # + 0.0 turns -0.0 into 0.0
