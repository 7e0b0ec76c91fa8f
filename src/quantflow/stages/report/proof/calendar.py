"""The section on calendar periods: years, months, and the spans up to now."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from quantflow.quant.returns.periods import compounded, months, trailing, trailing_starts, years
from quantflow.stages.report.charts.bars import column_chart
from quantflow.stages.report.charts.frame import Caption
from quantflow.stages.report.charts.lines import Line
from quantflow.stages.report.charts.scale import finite_range, linear_axis
from quantflow.stages.report.facts import Inputs, column, series, sessions
from quantflow.stages.report.figures import fixed, percent, tick
from quantflow.stages.report.proof.growth import EMPTY
from quantflow.stages.report.render import Cell, headed, nothing, section, shade

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
YEARLY = frozenset({"3Y", "5Y", "10Y"})
"""Spans whose return is given per year."""


def periods(inputs: Inputs) -> Markup:
    """Return the net return of each year and month, and of the spans that end now."""
    title, frame = "Returns by year and month", inputs["oos_returns"]
    if not len(frame):
        return section("monthly", title, nothing(EMPTY))
    number, net = months(sessions(frame)), column(frame, "net")
    by_month = compounded(number, net)
    gains = sum(value > 0 for value in by_month.values())
    best, worst = max(by_month, key=lambda m: by_month[m]), min(by_month, key=lambda m: by_month[m])
    lead = (
        f"Net of costs. {gains} of {len(by_month)} months gained; best {_named(best, by_month)}, worst "
        f"{_named(worst, by_month)}. The first and last period may be part of one."
    )
    return section("monthly", title, _years(inputs), _months(number, net), _spans(inputs), lead=lead)


def _years(inputs: Inputs) -> Markup:
    of = years(sessions(inputs["oos_returns"]))
    found = {name: compounded(of, values) for name, _, values in series(inputs)}
    labels = [str(year) for year in found["net"]]
    lines = [Line(label, np.array(list(found[name].values())), name) for name, label, _ in series(inputs)]
    axis = linear_axis(*finite_range(np.concatenate([line.values for line in lines]), 0.0), tick)
    text = ", ".join(f"{label} {percent(value)}" for label, value in zip(labels, lines[0].values, strict=True))
    caption = Caption("c-years", "Returns by year", f"Strategy: {text}.", "Return of the year, %")
    return column_chart(caption, labels, lines, axis, percent)


def _months(number: np.ndarray, net: np.ndarray) -> Markup:
    by_month, by_year = compounded(number, net), compounded(number // 12, net)
    widest = max(0.02, float(np.quantile(np.abs(list(by_month.values())), 0.95)))
    rows = [
        [
            str(year),
            *(_month(by_month.get(12 * year + m), widest) for m in range(12)),
            Cell(fixed(100 * total, 1), "sum"),
        ]
        for year, total in sorted(by_year.items(), reverse=True)
    ]
    return headed("Monthly returns of the strategy, %", ["Year", *MONTHS, "All year"], rows)


def _month(value: float | None, widest: float) -> object:
    return "" if value is None else Cell(fixed(100 * value, 1), shade(value / widest))


def _named(month: int, returns: dict[int, float]) -> str:
    return f"{percent(returns[month], signed=True)} in {month // 12}-{month % 12 + 1:02d}"


def _spans(inputs: Inputs) -> Markup | None:
    dates = sessions(inputs["oos_returns"])
    starts = trailing_starts(dates)
    if not starts:
        return None
    head = ["", *(f"{name}, per year" if name in YEARLY else name for name in starts)]
    rows = [
        [label, *(_span(dates, values, name, start) for name, start in starts.items())]
        for _, label, values in series(inputs)
    ]
    return headed(f"Returns up to {dates[-1]}", head, rows)


def _span(dates: np.ndarray, values: np.ndarray, name: str, start: np.datetime64) -> str:
    grown = trailing(dates, values, start)
    return percent((1.0 + grown) ** (1.0 / int(name[:-1])) - 1.0 if name in YEARLY else grown)
