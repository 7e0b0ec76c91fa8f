"""Lines over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from quantflow.stages.report.charts.frame import (
    CELLS,
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
    share,
    stretched,
    unit,
)
from quantflow.stages.report.charts.scale import Axis, thinned
from quantflow.stages.report.figures import count, day, defined

LINE = 17.0
"""Least distance between two labels, one above the other, in pixels."""
HEIGHTS = {"plot": 248.0, "plot short": 148.0}
"""Height of what is plotted, in pixels, where labels stand at the ends of lines."""


@dataclass(frozen=True)
class Line:
    """One line: its label, a value per date (NaN: no point), and its CSS class."""

    label: str
    values: FloatArray
    style: str


@dataclass(frozen=True)
class Look:
    """How lines are shown.

    Attributes:
        style: A key of ``HEIGHTS``.
        fill: Style of the line to fill towards zero; none when empty.
        cells: Most values in the CSV; beyond, dates are left out evenly.
    """

    style: str = "plot"
    fill: str = ""
    cells: int = CELLS


SHORT = Look("plot short")


def line_chart(
    caption: Caption, dates: Dates, lines: Sequence[Line], axis: Axis, write: Write, look: Look = SHORT
) -> Markup:
    """Return lines over time, labelled at their ends, with their values under the pointer and as CSV.

    Args:
        caption: Names the chart.
        dates: Sessions, rising, shape (T,), T >= 1.
        lines: The first one is drawn on top; each of shape (T,). One without a label is drawn alone.
        axis: The value axis.
        write: Writes a value.
        look: How they are shown.
    """
    places, named = across(dates), [line for line in lines if line.label]
    drawn = [_drawn(line, places, axis, line.style == look.fill) for line in reversed(lines)]
    values = hover(places, lambda i: _said(i, dates, named, write), picked(len(dates), COLUMNS))
    rows = picked(len(dates), look.cells // max(1, len(named)))
    return picture(
        caption,
        unit(caption),
        grid(axis),
        calendar(dates),
        stretched(*drawn, values),
        _end_labels(named, axis, HEIGHTS[look.style]),
        shape=Shape(look.style),
        names=legend([(line.style, line.label) for line in named], "phone") if len(named) > 1 else None,
        data=(["date", *(line.label for line in named)], _cells(dates, named, rows)),
        note="" if len(rows) == len(dates) else f"{count(len(rows))} of {count(len(dates))} dates",
    )


def _said(i: int, dates: Dates, lines: Sequence[Line], write: Write) -> list[str]:
    return [day(dates[i]), *(f"{line.label} {write(float(line.values[i]))}" for line in lines)]


def _cells(dates: Dates, lines: Sequence[Line], kept: np.ndarray) -> Iterator[list[str]]:
    for i in kept:
        known = [defined(line.values[i]) for line in lines]
        yield [day(dates[i]), *("" if value is None else f"{value:.6g}" for value in known)]


def _drawn(line: Line, places: FloatArray, axis: Axis, filled: bool) -> Markup:
    known = np.flatnonzero(np.isfinite(line.values))
    if not len(known):
        return Markup("")
    kept = known[thinned(line.values[known])]
    points = [
        f"{x:.1f},{y:.1f}" for x, y in zip(places[kept] * GRID, down(line.values[kept], axis) * GRID, strict=True)
    ]
    path, zero = " ".join(points), f"{GRID * float(down(0.0, axis)):.1f}" if filled else ""
    area = f"{path} {points[-1].split(',')[0]},{zero} {points[0].split(',')[0]},{zero}" if filled else ""
    return mark("line", path, area, line.style)


def _end_labels(lines: Sequence[Line], axis: Axis, height: float) -> Markup:
    ends: list[tuple[float, Line]] = []
    for line in lines:
        known = line.values[np.isfinite(line.values)]
        if len(known):
            ends.append((height * float(down(float(known[-1]), axis)), line))
    ends.sort(key=lambda end: end[0])
    places = spread([y for y, _ in ends], 0.0, height)
    return mark(
        "ends", [(share(y / height), line.label, line.style) for y, (_, line) in zip(places, ends, strict=True)]
    )


def spread(places: Sequence[float], low: float, high: float) -> list[float]:
    """Return rising *places* moved apart to at least ``LINE``, within [*low*, *high*] when they fit."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + LINE) if moved else max(place, low))
    ceiling = high
    for i in range(len(moved) - 1, -1, -1):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - LINE
    return moved
