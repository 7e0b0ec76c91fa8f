"""The section on benchmarks: the strategy relative to each of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from markupsafe import Markup

from quantflow.quant.metrics import against
from quantflow.stages.report.charts.frame import Caption
from quantflow.stages.report.charts.lines import Line, line_chart
from quantflow.stages.report.charts.scale import finite_range, linear_axis
from quantflow.stages.report.facts import SERIES, FloatArray, Inputs, beside, column, series, sessions, wealth
from quantflow.stages.report.figures import fixed, loss, multiple, percent
from quantflow.stages.report.proof.growth import EMPTY
from quantflow.stages.report.render import nothing, section, table
from quantflow.types import Record

Write = Callable[[object], str]


def _capture(value: object) -> str:
    return percent(value, 0)


RELATIVE: tuple[tuple[str, str, Write, str], ...] = (
    ("beta", "Beta", fixed, "Slope of the strategy's daily returns on the benchmark's."),
    ("alpha", "Alpha per year", percent, "Mean return that beta does not explain, annualised."),
    ("tracking_error", "Tracking error", percent, "Volatility of the difference in returns, per year."),
    ("information_ratio", "Information ratio", fixed, "Mean difference over the tracking error, annualised."),
    ("correlation", "Correlation", fixed, "Of daily returns."),
    ("up_capture", "Up capture", _capture, "Mean return on days that the benchmark gained, over the benchmark's own."),
    ("down_capture", "Down capture", _capture, "The same on days that it lost; below 100% loses less."),
)
"""Figures of the strategy relative to a benchmark: key, name, how it is written, and what it means."""
OWN: tuple[tuple[str, str, Write, str], ...] = (
    ("cagr", "Its return per year", percent, "The benchmark's own, after its costs."),
    ("volatility", "Its volatility", percent, "Per year."),
    ("sharpe", "Its Sharpe ratio", fixed, "Annualised, risk-free rate 0."),
    ("max_drawdown", "Its max drawdown", loss, "Largest loss from a peak."),
)
"""Figures of the benchmark itself, by their key in its block of ``metrics``."""
BLOCKS = {column: block for block, _, column in SERIES}


def benchmarked(inputs: Inputs) -> Markup:
    """Return the strategy's figures relative to each benchmark, beside the benchmark's own."""
    title, frame = "Benchmarks", inputs["oos_returns"]
    others = [each for each in series(inputs) if each[0] != "net"]
    if not len(frame) or not others:
        return section("benchmark", title, nothing(EMPTY))
    net = np.nan_to_num(column(frame, "net"))
    year = int(inputs["metrics"]["annualisation"])
    found = [_relative_to(net, np.nan_to_num(values), year) for _, _, values in others]
    blocks = [inputs["metrics"].get(BLOCKS[name]) or {} for name, _, _ in others]
    rows = [
        [named, *(write(each.get(key)) for each in of), said]
        for group, of in ((RELATIVE, found), (OWN, blocks))
        for key, named, write, said in group
    ]
    head = ["Figure", *(label for _, label, _ in others), "Definition"]
    shown = table("Beside the benchmarks", head, rows, words=frozenset({len(head) - 1}))
    return section("benchmark", title, shown, _relative(inputs), lead=beside(inputs["metrics"]))


def _relative_to(net: FloatArray, values: FloatArray, year: int) -> Record:
    return {**against(net, values, year), "correlation": _correlation(net, values)}


def _correlation(net: FloatArray, values: FloatArray) -> float | None:
    still = len(net) < 2 or min(net.std(), values.std()) < 1e-14
    return None if still else float(np.corrcoef(net, values)[0, 1])


def _relative(inputs: Inputs) -> Markup:
    """Return the strategy's wealth over each benchmark's: rising where it does better."""
    grown = {name: (label, wealth(values)) for name, label, values in series(inputs)}
    _, net = grown.pop("net")
    lines = [Line(label, net / np.where(values > 0.0, values, np.nan), name) for name, (label, values) in grown.items()]
    axis = linear_axis(*finite_range(np.concatenate([line.values for line in lines]), 1.0), multiple)
    ends = ", ".join(f"{line.label} {multiple(line.values[-1], 2)}" for line in lines)
    caption = Caption(
        "c-relative",
        "Strategy relative to its benchmarks",
        f"Wealth over that of {ends}.",
        "Wealth of the strategy, divided by that of the benchmark",
    )
    return line_chart(caption, sessions(inputs["oos_returns"]), lines, axis, lambda value: multiple(value, 3))
