"""The first section: key figures beside those of the benchmarks, and the growth of 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from quantflow.stages.report.charts.frame import Caption
from quantflow.stages.report.charts.lines import Line, Look, line_chart
from quantflow.stages.report.charts.scale import finite_range, linear_axis, log_axis
from quantflow.stages.report.facts import (
    FloatArray,
    Inputs,
    called,
    certainty,
    figure_rows,
    series,
    sessions,
    survivors,
    wealth,
)
from quantflow.stages.report.figures import fixed, loss, multiple, percent, sharpe
from quantflow.stages.report.render import joined, nothing, part, section, table

EMPTY = "There is no out-of-sample session."
HINDSIGHT = {
    False: "Each rebalance saw prices up to its own date only. The universe and the settings are today's, chosen "
    "knowing what became of them, so these returns are optimistically biased.",
    True: "Each rebalance saw prices and members up to its own date only. The settings are today's, chosen knowing "
    "what became of them, so these returns are optimistically biased.",
}
"""What the walk-forward cannot know, by whether it had the members of each date."""
LOG_FROM = 4.0
"""Wealth is drawn on a logarithmic scale when its highest value is this many times its lowest."""
MOST = 32_000
"""Values in the CSV of growth: every session of 33 years of a strategy and two benchmarks."""
FIGURES = ("", "Return per year", "Volatility", "Sharpe", "Max drawdown", "Sortino", "Calmar", "CVaR 95%", "Win rate")


def performance(inputs: Inputs, others: Sequence[Line] = ()) -> Markup:
    """Return the key figures, and the growth of 1, net of costs, beside the benchmarks and the returns of *others*."""
    title, frame = "Performance", inputs["oos_returns"]
    if not len(frame):
        return section("equity", title, key_figures(inputs), nothing(EMPTY))
    known = bool((inputs["metrics"].get("universe") or {}).get("members"))
    said = [f"{certainty(inputs)}.", HINDSIGHT[known], survivors(inputs["metrics"])]
    below = [part("lead", line) for line in said if line]
    return section("equity", title, key_figures(inputs), growth(inputs, others), *below)


def key_figures(inputs: Inputs) -> Markup:
    """Return the strategy and its benchmarks side by side."""
    rows = []
    for label, block in figure_rows(inputs["metrics"]):
        earned = [percent(block.get(key)) for key in ("cagr", "volatility")]
        ratios = [fixed(block.get(key)) for key in ("sortino", "calmar")]
        rows.append(
            [called(label, inputs["metrics"]), *earned, sharpe(block), loss(block.get("max_drawdown")), *ratios]
        )
        rows[-1] += [loss(block.get("cvar_95"), 2), percent(block.get("hit_rate"))]
    return table("Key figures, out of sample, after costs", FIGURES, rows)


def growth(inputs: Inputs, others: Sequence[Line]) -> Markup:
    """Return the curves of wealth, on a logarithmic scale where it grows much."""
    dates = sessions(inputs["oos_returns"])
    grown = [Line(label, wealth(values), name) for name, label, values in series(inputs)]
    grown += [Line(line.label, wealth(line.values), line.style) for line in others]
    low, high = finite_range(np.concatenate([line.values for line in grown]), 1.0)
    log = low > 0 and high / low > LOG_FROM
    axis = log_axis(low, high, multiple) if log else linear_axis(low, high, multiple)
    ends = ", ".join(f"{line.label} {multiple(line.values[-1], 2)}" for line in grown)
    unit = f"Growth of 1, net of costs{', logarithmic scale' if log else ''}"
    caption = Caption("c-growth", "Growth of 1", f"From {dates[0]} to {dates[-1]}: {ends}.", unit)
    chart = line_chart(caption, dates, grown, axis, lambda value: multiple(value, 3), Look(cells=MOST))
    return joined([chart, part("lead", caption.text)])


def own(inputs: Inputs, values: dict[str, FloatArray]) -> list[Line]:
    """Return a line of the strategy and of each benchmark, from values by column of ``oos_returns``."""
    return [Line(label, values[name], name) for name, label, _ in series(inputs)]
