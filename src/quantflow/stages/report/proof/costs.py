"""The section on costs and trading."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from quantflow.quant.returns.periods import years
from quantflow.stages.report.charts.bars import column_chart
from quantflow.stages.report.charts.frame import Caption
from quantflow.stages.report.charts.lines import Line
from quantflow.stages.report.charts.scale import finite_range, linear_axis
from quantflow.stages.report.facts import FloatArray, Inputs, column, sessions
from quantflow.stages.report.figures import count, fixed, percent, tick
from quantflow.stages.report.proof.growth import EMPTY
from quantflow.stages.report.render import nothing, section, table

COSTS = {
    "commission_bps": "Commission (bps of traded value)",
    "slippage_bps": "Slippage (bps of traded value)",
    "borrow_bps": "Borrow fee (bps of short value, per year)",
    "cash_rate": "Interest on cash (per year)",
    "own_costs": "Names with costs in validation.costs",
    "default_costs": "Names without, at the rates above",
    "cagr_drag": "Annual cost drag",
    "wealth_lost": "Final wealth that costs took",
}


def costs(inputs: Inputs) -> Markup:
    """Return what trading cost and how much was traded, in all and by year."""
    title, frame, metrics = "Costs and turnover", inputs["oos_returns"], inputs["metrics"]
    if not len(frame):
        return section("costs", title, nothing(EMPTY))
    of = years(sessions(frame))
    labels = [str(year) for year in np.unique(of)]
    traded, paid = (_by_year(of, column(frame, name)) for name in ("turnover", "cost"))
    annual = len(frame) / float(metrics["annualisation"])
    turnover, cost = percent(traded.sum() / annual, 0), percent(paid.sum() / annual, 2)
    facts = [
        [COSTS.get(name, name.replace("_", " ")), _fact(name, value)]
        for name, value in sorted(metrics.get("costs", {}).items(), key=lambda fact: _place(fact[0]))
    ]
    shown = table("Costs", ["Cost", "Value"], facts) if facts else None
    return section(
        "costs",
        title,
        _chart(labels, traded),
        shown,
        lead=f"Turnover, both sides: {turnover} of capital per year, at a cost of {cost} per year.",
    )


def _chart(labels: list[str], traded: FloatArray) -> Markup:
    text = ", ".join(f"{label} {percent(value, 0)}" for label, value in zip(labels, traded, strict=True))
    axis = linear_axis(*finite_range(traded, 0.0), tick, count=4)
    caption = Caption("c-costs", "Turnover by year", text, "Turnover of the year, both sides, % of capital")
    return column_chart(caption, labels, [Line("turnover", traded, "net")], axis, lambda value: percent(value, 0))


def _place(name: str) -> tuple[int, str]:
    """Return where a cost stands in the table: those of ``COSTS`` in their order, then the others."""
    names = list(COSTS)
    return names.index(name) if name in names else len(names), name


def _by_year(of: Any, values: FloatArray) -> FloatArray:
    starts = np.flatnonzero(np.r_[True, of[1:] != of[:-1]])
    return np.asarray(np.add.reduceat(np.nan_to_num(values), starts), dtype=np.float64)


def _fact(name: str, value: Any) -> str:
    if name in ("own_costs", "default_costs"):
        return count(value)
    return fixed(value, 1) if name.endswith("_bps") else percent(value, 2)
