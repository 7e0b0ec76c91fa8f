"""Stacked steps over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from quantflow.stages.report.charts.frame import (
    COLUMNS,
    GRID,
    Caption,
    Dates,
    FloatArray,
    Shape,
    Write,
    across,
    calendar,
    down,
    grid,
    hover,
    legend,
    mark,
    picked,
    picture,
    stretched,
    unit,
)
from quantflow.stages.report.charts.scale import Axis
from quantflow.stages.report.figures import day

NAMED = 12
"""Names that a step shows under the pointer, the largest."""


@dataclass(frozen=True)
class Layer:
    """One name of a stack: its label, the value of each step, and its CSS class."""

    label: str
    values: FloatArray
    style: str


def area_chart(caption: Caption, dates: Dates, stack: Sequence[Layer], axis: Axis, write: Write) -> Markup:
    """Return stacked steps over time: positive values pile up from zero, negative ones down.

    Args:
        caption: Names the chart.
        dates: Starts of the steps and, last, the end of the last one, shape (T,).
        stack: The first one lies next to zero; values of shape (T - 1,).
        axis: The value axis.
        write: Writes a value.
    """
    places = across(dates)
    marks: list[Markup] = []
    for sign in (1.0, -1.0):
        base = np.zeros(len(dates) - 1)
        layers: list[Markup] = []
        for layer in stack:
            side = np.maximum(sign * np.nan_to_num(layer.values), 0.0)
            if side.any():
                base = base + side
                layers.append(mark("area", _steps(places, sign * base, axis), f"area {layer.style}"))
        marks.extend(reversed(layers))  # the tallest lies at the back
    names = list({layer.label: layer.style for layer in stack}.items())
    middles = (places[1:] + places[:-1]) / 2.0
    values = hover(middles, lambda i: _said(i, dates, stack, write), picked(len(middles), COLUMNS))
    rows = ([day(dates[i]), *(f"{layer.values[i]:.4g}" for layer in stack)] for i in range(len(dates) - 1))
    return picture(
        caption,
        unit(caption),
        stretched(*marks),
        grid(axis),
        calendar(dates),
        stretched(values),
        shape=Shape("plot wide"),
        names=legend([(style, label) for label, style in names]),
        data=(["date", *(layer.label for layer in stack)], rows),
    )


def _said(i: int, dates: Dates, stack: Sequence[Layer], write: Write) -> list[str]:
    held = [(float(layer.values[i]), layer.label) for layer in stack if layer.values[i] != 0.0]
    held.sort(key=lambda one: -abs(one[0]))
    more = [f"{len(held) - NAMED} more"] if len(held) > NAMED else []
    return [day(dates[i]), *(f"{label} {write(value)}" for value, label in held[:NAMED]), *more]


def _steps(places: FloatArray, values: FloatArray, axis: Axis) -> str:
    x, heights, zero = places * GRID, down(values, axis) * GRID, f"{GRID * float(down(0.0, axis)):.1f}"
    steps = "".join(f"V{y:.1f}H{right:.1f}" for y, right in zip(heights, x[1:], strict=True))
    return f"M{x[0]:.1f} {zero}{steps}V{zero}Z"
