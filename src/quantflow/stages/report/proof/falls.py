"""The section on drawdowns: the curve, and the worst ones as a table."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from quantflow.quant.returns.drawdowns import Drawdown, longest, worst
from quantflow.stages.report.charts.frame import Caption, Dates
from quantflow.stages.report.charts.lines import Look, line_chart
from quantflow.stages.report.charts.scale import finite_range, linear_axis
from quantflow.stages.report.facts import Inputs, column, falls, max_drawdown, series, sessions
from quantflow.stages.report.figures import DASH, count, day, loss, percent, plural, tick
from quantflow.stages.report.proof.growth import EMPTY, own
from quantflow.stages.report.render import headed, nothing, section

WORST = 5
HEAD = ("Depth", "Peak", "Bottom", "Recovered", "Sessions to bottom", "Sessions to recover", "Sessions in all")


def drawdown(inputs: Inputs) -> Markup:
    """Return how far wealth was below its highest value, and the worst drawdowns one by one."""
    title, frame = "Drawdowns", inputs["oos_returns"]
    if not len(frame):
        return section("drawdown", title, nothing(EMPTY))
    dates, net = sessions(frame), np.nan_to_num(column(frame, "net"))
    below = {name: falls(values) for name, _, values in series(inputs)}
    low, _ = finite_range(np.concatenate(list(below.values())))
    axis = linear_axis(min(low, -0.01), 0.0, tick)
    found = max_drawdown(dates, net)
    text = (
        f"Max drawdown of the strategy {loss(found.depth)}, from {found.peak} to {found.bottom}; now {loss(found.now)}."
    )
    caption = Caption("c-drawdown", "Drawdown", text, "Below the highest value so far, %")
    look = Look("plot short", fill="net")
    chart = line_chart(caption, dates, own(inputs, below), axis, lambda value: percent(value, 2), look)
    lead = f"{text} Longest time below a peak: {plural(longest(net), 'session')}."
    return section("drawdown", title, chart, _table(dates, worst(net, WORST)), lead=lead)


def _table(dates: Dates, found: list[Drawdown]) -> Markup:
    title = f"The worst {plural(len(found), 'drawdown')} of the strategy" if len(found) > 1 else "The worst drawdown"
    if not found:
        return nothing("Wealth never fell below an earlier value.")
    rows = [_row(dates, each, len(dates)) for each in found]
    return headed(title, HEAD, rows)


def _row(dates: Dates, each: Drawdown, number: int) -> list[str]:
    ended = "not yet" if each.recovered is None else day(dates[each.recovered])
    lasted = (number - 1 if each.recovered is None else each.recovered) - each.peak
    spans = [count(each.down), DASH if each.up is None else count(each.up), count(lasted)]
    return [loss(each.depth), day(dates[max(each.peak, 0)]), day(dates[each.bottom]), ended, *spans]
