"""The section on rolling figures: Sharpe ratio and volatility of the sessions before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from markupsafe import Markup

from quantflow.quant.returns.rolling import rolling_sharpe, rolling_volatility
from quantflow.stages.report.charts.frame import Caption
from quantflow.stages.report.charts.lines import line_chart
from quantflow.stages.report.charts.scale import finite_range, linear_axis
from quantflow.stages.report.facts import Inputs, series, sessions
from quantflow.stages.report.figures import fixed, percent, tick
from quantflow.stages.report.proof.growth import own
from quantflow.stages.report.render import nothing, section


def window(sessions: int, year: int) -> int | None:
    """Return over how many sessions figures roll: a year, half of one in a short history; None in one shorter still."""
    return next((span for span in (year, year // 2) if sessions >= 2 * span), None)


def rolled(inputs: Inputs) -> Markup:
    """Return the rolling Sharpe ratio and volatility of the strategy and of its benchmarks."""
    title, frame, year = (
        "Rolling Sharpe ratio and volatility",
        inputs["oos_returns"],
        int(inputs["metrics"]["annualisation"]),
    )
    span = window(len(frame), year)
    if span is None:
        return section(
            "rolling", title, nothing(f"Fewer than {2 * (year // 2)} sessions: too short for a rolling window.")
        )
    streams = {name: np.nan_to_num(values) for name, _, values in series(inputs)}
    sharpe = {name: rolling_sharpe(values, span, year) for name, values in streams.items()}
    volatile = {name: rolling_volatility(values, span, year) for name, values in streams.items()}
    lead = f"Each point is of the {span} sessions up to its date, annualised; risk-free rate 0."
    return section("rolling", title, _sharpe(inputs, sharpe, span), _volatility(inputs, volatile, span), lead=lead)


def _spans(inputs: Inputs, values: dict[str, np.ndarray], write: Callable[..., str]) -> str:
    low, high = finite_range(values["net"])
    last = ", ".join(f"{label} {write(values[name][-1])}" for name, label, _ in series(inputs))
    return f"Now: {last}. The strategy ranged from {write(low)} to {write(high)}."


def _sharpe(inputs: Inputs, values: dict[str, np.ndarray], span: int) -> Markup:
    axis = linear_axis(*finite_range(np.concatenate(list(values.values())), 0.0), fixed)
    caption = Caption(
        "c-sharpe", "Rolling Sharpe ratio", _spans(inputs, values, fixed), f"Sharpe ratio, {span} sessions"
    )
    return line_chart(caption, sessions(inputs["oos_returns"]), own(inputs, values), axis, fixed)


def _volatility(inputs: Inputs, values: dict[str, np.ndarray], span: int) -> Markup:
    axis = linear_axis(*finite_range(np.concatenate(list(values.values())), 0.0), tick)
    said = _spans(inputs, values, percent)
    caption = Caption("c-volatility", "Rolling volatility", said, f"Volatility per year, %, {span} sessions")
    return line_chart(caption, sessions(inputs["oos_returns"]), own(inputs, values), axis, percent)
