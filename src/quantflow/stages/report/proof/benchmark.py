"""The section on benchmarks: the strategy relative to each of them."""

from __future__ import annotations

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

HEAD = (
    "Benchmark",
    "Beta",
    "Alpha per year",
    "Tracking error",
    "Information ratio",
    "Correlation",
    "Up capture",
    "Down capture",
    "Its return per year",
    "Its volatility",
    "Its Sharpe",
    "Its max drawdown",
)
BLOCKS = {column: block for block, _, column in SERIES}


def benchmarked(inputs: Inputs) -> Markup:
    """Return the strategy's figures relative to each benchmark, beside the benchmark's own."""
    title, frame = "Benchmarks", inputs["oos_returns"]
    others = [each for each in series(inputs) if each[0] != "net"]
    if not len(frame) or not others:
        return section("benchmark", title, nothing(EMPTY))
    net = np.nan_to_num(column(frame, "net"))
    rows = [_row(inputs, net, name, label, np.nan_to_num(values)) for name, label, values in others]
    lead = (
        "Beta and alpha: of daily returns on the benchmark's. Tracking error: volatility of the difference. Capture: "
        "geometric mean return on days that the benchmark gained (up) or lost (down), over the benchmark's own."
    )
    chosen = beside(inputs["metrics"])
    return section(
        "benchmark",
        title,
        table("Beside the benchmarks", HEAD, rows),
        _relative(inputs),
        lead=f"{chosen} {lead}".strip(),
    )


def _row(inputs: Inputs, net: FloatArray, name: str, label: str, values: FloatArray) -> list[str]:
    found = against(net, values, int(inputs["metrics"]["annualisation"]))
    block = inputs["metrics"].get(BLOCKS[name]) or {}
    return [
        label,
        fixed(found["beta"]),
        percent(found["alpha"]),
        percent(found["tracking_error"]),
        fixed(found["information_ratio"]),
        fixed(_correlation(net, values)),
        *(percent(found[each], 0) for each in ("up_capture", "down_capture")),
        *(percent(block.get(each)) for each in ("cagr", "volatility")),
        fixed(block.get("sharpe")),
        loss(block.get("max_drawdown")),
    ]


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
