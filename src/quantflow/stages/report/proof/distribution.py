"""The section on the distribution of returns: daily and monthly histograms beside the normal curve."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from quantflow.quant.returns.periods import compounded, months
from quantflow.quant.returns.tails import excess_kurtosis, histogram, normal_counts, skewness
from quantflow.stages.report.charts.bars import histogram_chart
from quantflow.stages.report.charts.frame import Caption
from quantflow.stages.report.charts.scale import linear_axis, round_step
from quantflow.stages.report.facts import FloatArray, Inputs, column, sessions
from quantflow.stages.report.figures import count, fixed, percent, plural
from quantflow.stages.report.proof.growth import EMPTY
from quantflow.stages.report.render import beside, joined, nothing, part, section

BINS = {"daily": 70, "monthly": 36}
"""About how many bins cover ``REACH`` standard deviations to either side."""
REACH = 4.0
LEAST = 12
"""Returns that a histogram needs."""


def distributed(inputs: Inputs) -> Markup:
    """Return the histograms of the strategy's daily and monthly returns."""
    title, frame = "Distribution of returns", inputs["oos_returns"]
    if not len(frame):
        return section("distribution", title, nothing(EMPTY))
    net = np.nan_to_num(column(frame, "net"))
    monthly = np.array(list(compounded(months(sessions(frame)), net).values()))
    lead = f"Strategy, net of costs. Bins at the edges also hold what lies beyond {REACH:g} standard deviations."
    shown = [_one("daily", net), _one("monthly", monthly)]
    return section("distribution", title, beside(*shown), lead=lead)


def _one(period: str, returns: FloatArray) -> Markup:
    heading = part("heading", f"{period.capitalize()} returns")
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    if len(returns) < LEAST or deviation < 1e-9:
        return joined([heading, nothing(f"{plural(len(returns), 'return')}: too few, or all alike.")])
    width, _ = round_step(2 * REACH * deviation / BINS[period])
    found = histogram(returns, width, REACH * deviation)
    expected = normal_counts(found.edges, float(returns.mean()), deviation, len(returns))
    axis = linear_axis(0.0, float(max(found.counts.max(), expected.max())), lambda value, _: count(value), count=4)
    shape = f"skewness {fixed(skewness(returns))}, excess kurtosis {fixed(excess_kurtosis(returns))}"
    spread = f"mean {percent(returns.mean(), 2)}, standard deviation {percent(deviation, 2)}"
    text = f"{plural(len(returns), 'return')}: {spread}, {shape}."
    digits = 1 if width < 0.01 else 0
    caption = Caption(
        f"c-{period}", f"Distribution of {period} returns", text, f"Number of {period} returns, by return in %"
    )
    chart = histogram_chart(caption, found, expected, axis, lambda value: percent(value, digits))
    return joined([heading, chart, part("lead", text)])
