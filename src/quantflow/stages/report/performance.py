"""Sections on the out-of-sample record: key figures, wealth, drawdown, volatility, months, costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from quantflow.stages.report.facts import (
    Inputs,
    beside,
    certainty,
    column,
    deepest_fall,
    falls,
    figure_rows,
    series,
    sessions,
    survivors,
    wealth,
)
from quantflow.stages.report.figures import count, fixed, loss, percent, sharpe
from quantflow.stages.report.portfolio import tick
from quantflow.stages.report.render import Cell, joined, nothing, part, section, table
from quantflow.stages.report.scale import Axis, finite_range, linear_axis, log_axis
from quantflow.stages.report.selection import shade
from quantflow.stages.report.svg import Caption, Line, column_chart, line_chart

FloatArray = npt.NDArray[np.float64]
EMPTY = "There is no out-of-sample session."
HINDSIGHT = {
    False: "Each rebalance saw prices up to its own date only. The universe and the settings are today's, chosen "
    "knowing what became of them, so these returns are optimistically biased.",
    True: "Each rebalance saw prices and members up to its own date only. The settings are today's, chosen knowing "
    "what became of them, so these returns are optimistically biased.",
}
"""What the walk-forward cannot know, by whether it had the members of each date."""
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
LOG_FROM = 4.0
"""Wealth is drawn on a logarithmic scale when its highest value is this many times its lowest."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def key_figures(inputs: Inputs) -> Markup:
    """Return the strategy and its benchmarks side by side, and how sure the strategy's Sharpe ratio is."""
    metrics = inputs["metrics"]
    rows = []
    for label, block in figure_rows(metrics):
        shares = [percent(block.get(key)) for key in ("cagr", "volatility")]
        ratios = [sharpe(block), *(fixed(block.get(key)) for key in ("sortino", "calmar"))]
        lost = [loss(block.get("max_drawdown")), loss(block.get("cvar_95"), 2)]
        rows.append([label, ratios[0], *shares, lost[0], *ratios[1:], lost[1], percent(block.get("hit_rate"))])
    head = ["", "Sharpe", "Return a year", "Volatility", "Deepest fall", "Sortino", "Calmar", "CVaR 95%", "Hit rate"]
    leads = [part("lead", text) for text in (f"{certainty(inputs)}.", beside(metrics)) if text]
    return joined([table("Key figures, out of sample", head, rows), *leads])


def _lines(inputs: Inputs, values: dict[str, FloatArray]) -> list[Line]:
    return [Line(label, values[name], name) for name, label, _ in series(inputs)]


def multiple(value: float, decimals: int) -> str:
    """Return a growth of 1 as a multiple."""
    return f"{fixed(value, decimals)}×"


def equity(inputs: Inputs, others: Sequence[Line] = ()) -> Markup:
    """Return the growth of 1, net of costs, beside the benchmarks and beside the returns of *others*."""
    title, frame = "Growth of 1", inputs["oos_returns"]
    if not len(frame):
        return section("equity", title, nothing(EMPTY))
    streams = [*(Line(label, values, name) for name, label, values in series(inputs)), *others]
    grown = [Line(line.label, wealth(line.values), line.style) for line in streams]
    low, high = finite_range(np.concatenate([line.values for line in grown]), 1.0)
    log = low > 0 and high / low > LOG_FROM
    axis = log_axis(low, high, multiple) if log else linear_axis(low, high, multiple)
    ends = ", ".join(f"{line.label} {multiple(line.values[-1], 2)}" for line in grown)
    dates = sessions(frame)
    text = f"From {dates[0]} to {dates[-1]}: {ends}."
    chart = line_chart(Caption("c-equity", title, text), dates, grown, axis)
    lead = f"Out of sample, net of costs{', logarithmic scale' if log else ''}. {text}"
    known = bool((inputs["metrics"].get("universe") or {}).get("members"))
    lines = [part("lead", line) for line in (HINDSIGHT[known], survivors(inputs["metrics"])) if line]
    return section("equity", title, *lines, chart, lead=lead)


def drawdown(inputs: Inputs) -> Markup:
    """Return how far wealth was below its highest value."""
    title, frame = "Drawdown", inputs["oos_returns"]
    if not len(frame):
        return section("drawdown", title, nothing(EMPTY))
    below = {name: falls(values) for name, _, values in series(inputs)}
    low, _ = finite_range(np.concatenate(list(below.values())))
    axis = linear_axis(min(low, -0.01), 0.0, tick)
    fall = deepest_fall(sessions(frame), column(frame, "net"))
    text = f"Strategy: deepest {loss(fall.depth)}, from {fall.peak} to {fall.trough}; now {loss(fall.now)}."
    chart = line_chart(Caption("c-drawdown", title, text), sessions(frame), _lines(inputs, below), axis, fill="net")
    return section("drawdown", title, chart, lead=text)


def volatility(inputs: Inputs) -> Markup:
    """Return the volatility over the year before each session, annualised."""
    import pandas as pd

    title, frame, year = "Volatility, one year rolling", inputs["oos_returns"], int(inputs["metrics"]["annualisation"])
    if len(frame) < year:
        short = f"Fewer than {year} sessions: not enough history for a one-year window."
        return section("volatility", title, nothing(short))
    rolled = {
        name: np.asarray(pd.Series(values).rolling(year).std().to_numpy() * np.sqrt(year), dtype=np.float64)
        for name, _, values in series(inputs)
    }
    axis = linear_axis(*finite_range(np.concatenate(list(rolled.values())), 0.0), tick)
    last = ", ".join(f"{label} {percent(rolled[name][-1])}" for name, label, _ in series(inputs))
    low, high = finite_range(rolled["net"])
    text = f"Annualised. Now: {last}. The strategy ranged from {percent(low)} to {percent(high)}."
    chart = line_chart(Caption("c-volatility", title, text), sessions(frame), _lines(inputs, rolled), axis)
    return section("volatility", title, chart, lead=text)


def compounded(keys: npt.NDArray[np.int64], returns: FloatArray) -> dict[int, float]:
    """Return the compounded return of each run of equal *keys*, which rise; NaN counts as no return."""
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    grown = np.multiply.reduceat(1.0 + np.nan_to_num(returns), starts)
    return {int(keys[i]): float(value - 1.0) for i, value in zip(starts, grown, strict=True)}


def monthly(inputs: Inputs) -> Markup:
    """Return the net return of each month and year."""
    title, frame = "Monthly returns", inputs["oos_returns"]
    if not len(frame):
        return section("monthly", title, nothing(EMPTY))
    months = sessions(frame).astype("datetime64[M]").astype(np.int64) + 1970 * 12
    net = column(frame, "net")
    by_month, by_year = compounded(months, net), compounded(months // 12, net)
    widest = max(0.02, float(np.quantile(np.abs(list(by_month.values())), 0.95)))
    rows = [
        [str(year), *(_month(by_month.get(12 * year + m), widest) for m in range(12)), percent(total)]
        for year, total in sorted(by_year.items(), reverse=True)
    ]
    gains = sum(value > 0 for value in by_month.values())
    best, worst = max(by_month, key=lambda m: by_month[m]), min(by_month, key=lambda m: by_month[m])
    lead = (
        f"Net, in per cent. {gains} of {len(by_month)} months gained; best {_named(best, by_month)}, "
        f"worst {_named(worst, by_month)}. The first and last may be part months."
    )
    return section("monthly", title, table("Monthly returns", ["Year", *MONTHS, "Total"], rows), lead=lead)


def _month(value: float | None, widest: float) -> object:
    return "" if value is None else Cell(fixed(100 * value, 1), shade(value / widest))


def _named(month: int, returns: dict[int, float]) -> str:
    return f"{percent(returns[month], signed=True)} in {month // 12}-{month % 12 + 1:02d}"


def costs(inputs: Inputs) -> Markup:
    """Return what trading cost and how much was traded, in all and by year."""
    title, frame, metrics = "Costs and trading", inputs["oos_returns"], inputs["metrics"]
    if not len(frame):
        return section("costs", title, nothing(EMPTY))
    years = sessions(frame).astype("datetime64[Y]").astype(np.int64) + 1970
    labels = [str(year) for year in np.unique(years)]
    traded, paid = (_by_year(years, column(frame, name)) for name in ("turnover", "cost"))
    chart = column_chart(
        Caption("c-costs", "Traded by year, both sides", _pairs(labels, traded)), labels, traded, _from_zero(traded)
    )
    annual = len(frame) / float(metrics["annualisation"])
    rates = f"{percent(traded.sum() / annual, 0)}, cost {percent(paid.sum() / annual, 2)} of capital a year"
    lead = f"Traded, both sides, {rates}. Columns: traded by calendar year."
    facts = [
        [COSTS.get(name, name.replace("_", " ")), _fact(name, value)]
        for name, value in sorted(metrics.get("costs", {}).items(), key=lambda fact: _place(fact[0]))
    ]
    return section("costs", title, chart, table("Costs", ["Cost", "Value"], facts) if facts else None, lead=lead)


def _place(name: str) -> tuple[int, str]:
    """Return where a cost stands in the table: those of ``COSTS`` in their order, then the others."""
    names = list(COSTS)
    return names.index(name) if name in names else len(names), name


def _by_year(years: npt.NDArray[np.int64], values: FloatArray) -> FloatArray:
    starts = np.flatnonzero(np.r_[True, years[1:] != years[:-1]])
    return np.asarray(np.add.reduceat(np.nan_to_num(values), starts), dtype=np.float64)


def _from_zero(values: FloatArray) -> Axis:
    return linear_axis(*finite_range(values, 0.0), tick, count=4)


def _pairs(labels: list[str], values: FloatArray) -> str:
    return ", ".join(f"{label} {percent(value, 0)}" for label, value in zip(labels, values, strict=True))


def _fact(name: str, value: Any) -> str:
    if name in ("own_costs", "default_costs"):
        return count(value)
    return fixed(value, 1) if name.endswith("_bps") else percent(value, 2)
