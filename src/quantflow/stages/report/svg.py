"""Small charts as inline SVG: no script, no fonts, colours from the page's CSS variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from quantflow.stages.report.render import joined, part, shorten
from quantflow.stages.report.scale import Axis, date_ticks, thinned

FloatArray = npt.NDArray[np.float64]
Dates = npt.NDArray[np.datetime64]

WIDTH = 520.0
"""A width at which letters can be read on a phone, which the style sheet makes larger there."""
LEFT, RIGHT, TOP, BOTTOM = 50.0, 138.0, 12.0, 28.0
PITCH = 26.0
"""Height of a row of bars: room for the larger letters that a phone gets."""
LINE = 19.0
"""Least distance between two labels, one above the other."""
DATES = 4
"""Most dates below a chart: more would touch in the letters that a phone gets."""
COLOURS = 8
"""Colours for named series (CSS classes k1 to k8); k0 is grey, for all others together."""


@dataclass(frozen=True)
class Caption:
    """What a chart is called and, for those who cannot see it, what it says.

    Attributes:
        slug: Unique in the page; part of element ids.
        title: Short name.
        text: The key figures in a sentence.
    """

    slug: str
    title: str
    text: str


@dataclass(frozen=True)
class Line:
    """One line: its label, a value per date (NaN: no point), and its CSS class."""

    label: str
    values: FloatArray
    style: str


@dataclass(frozen=True)
class Bar:
    """One horizontal bar: label, length, what is written at its end, and a paler length behind it."""

    label: str
    value: float
    note: str
    behind: float = 0.0
    style: str = "k1"


mark = partial(part, template="charts.html")


def picture(caption: Caption, height: float, *marks: Markup, width: float = WIDTH) -> Markup:
    """Return the ``svg`` element around *marks*, scaling with the page and named for screen readers."""
    return mark("picture", caption, f"0 0 {width:g} {height:g}", joined(marks))


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """Return swatches with names, from (CSS class, name)."""
    return part("legend", entries)


def line_chart(
    caption: Caption, dates: Dates, lines: Sequence[Line], axis: Axis, *, fill: str = "", height: float = 260.0
) -> Markup:
    """Return lines over time, labelled at their ends.

    Args:
        caption: Names the chart.
        dates: Sessions, rising, shape (T,), T >= 1.
        lines: The first one is drawn on top; each of shape (T,).
        axis: The value axis.
        fill: Style of the line to fill towards zero; none when empty.
        height: In units of the view box, which is ``WIDTH`` wide.
    """
    marks = [_grid(axis, height), _dates(dates, height)]
    for line in reversed(lines):
        points = _points(dates, line.values, axis, height)
        if not points:
            continue
        zero, path = _y(0.0, axis, height), " ".join(points)
        area = f"{path} {points[-1].split(',')[0]},{zero} {points[0].split(',')[0]},{zero}"
        marks.append(mark("line", path, area if line.style == fill else "", line.style))
    return picture(caption, height, *marks, _end_labels(lines, axis, height))


def area_chart(
    caption: Caption, dates: Dates, stack: Sequence[tuple[str, FloatArray]], axis: Axis, height: float = 260.0
) -> Markup:
    """Return stacked steps over time: positive values pile up from zero, negative ones down.

    Args:
        caption: Names the chart.
        dates: Starts of the steps and, last, the end of the last one, shape (T,).
        stack: (CSS class, value of each step, shape (T - 1,)), the first one next to zero.
        axis: The value axis.
        height: In units of the view box.
    """
    marks: list[Markup] = []
    for sign in (1.0, -1.0):
        base = np.zeros(len(dates) - 1)
        layers: list[Markup] = []
        for style, values in stack:
            part = np.maximum(sign * np.nan_to_num(values), 0.0)
            if part.any():
                base = base + part
                layers.append(mark("area", _steps(dates, sign * base, axis, height), f"area {style}"))
        marks.extend(reversed(layers))  # the tallest lies at the back
    return picture(caption, height, *marks, _grid(axis, height), _dates(dates, height))


def bar_chart(caption: Caption, bars: Sequence[Bar]) -> Markup:
    """Return horizontal bars from a common zero, negative ones to the left of it."""
    values = np.array([v for bar in bars for v in (bar.value, bar.behind)] + [0.0])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    left, right = 110.0, WIDTH - 92.0
    scale = (right - left) / max(high - low, 1e-12)
    zero = left - low * scale
    rows = [_bar(bar, i * PITCH, zero, scale) for i, bar in enumerate(bars)]
    return picture(caption, len(bars) * PITCH + 4, *rows)


def _bar(bar: Bar, top: float, zero: float, scale: float) -> Markup:
    middle = top + PITCH / 2
    end = zero + max(bar.value, bar.behind, 0.0) * scale
    return joined(
        [
            mark("text", 0, f"{middle + 4:g}", "strong", shorten(bar.label, 12)),
            _rectangle(bar.behind, top, zero, scale, "behind") if bar.behind else None,
            _rectangle(bar.value, top, zero, scale, bar.style),
            mark("text", f"{end + 7:.1f}", f"{middle + 4:g}", "", bar.note),
        ]
    )


def _rectangle(value: float, top: float, zero: float, scale: float, style: str) -> Markup:
    start, size = zero + min(value, 0.0) * scale, abs(value) * scale
    width = f"{max(size, 1.0):.1f}"
    return mark("bar", f"{start:.1f}", f"{top + 5:g}", width, PITCH - 9, style)


def column_chart(caption: Caption, labels: Sequence[str], values: FloatArray, axis: Axis) -> Markup:
    """Return one column per label; the labels are thinned so that they do not touch."""
    height, n = 220.0, len(labels)
    slot = (WIDTH - LEFT - 12) / n
    zero = float(_y(0.0, axis, height))
    every = -(-n // 8)
    marks = [_grid(axis, height, right=12.0)]
    for i, (label, value) in enumerate(zip(labels, values, strict=True)):
        x, y = LEFT + i * slot, float(_y(float(value), axis, height))
        wide = min(slot * 0.76, 48.0)
        place = f"{x + (slot - wide) / 2:.1f}", f"{min(y, zero):.1f}"
        marks.append(mark("column", *place, f"{wide:.1f}", f"{abs(zero - y):.1f}"))
        if i % every == 0:
            marks.append(mark("text", f"{x + slot / 2:.1f}", height - 8, "mid tick", label))
    return picture(caption, height, *marks)


def heat_map(caption: Caption, labels: Sequence[str], matrix: FloatArray, groups: Sequence[int]) -> Markup:
    """Return a square of values from -1 to 1 in eleven shades, framed where neighbours share a group.

    Rows are named at their left, columns below.

    Args:
        caption: Names the chart.
        labels: Name of each row (and column), n of them.
        matrix: Shape (n, n); NaN is left empty.
        groups: Group of each row; equal neighbours are framed together.
    """
    n = len(labels)
    cell = min(48.0, (WIDTH - 110.0) / n)
    shades = np.where(np.isfinite(matrix), np.rint(np.nan_to_num(matrix) * 5), 99).astype(int)
    marks = [_shade(shades == level, cell, level) for level in range(-5, 6)]
    for start, stop in _runs(groups):
        place, size = f"{100 + start * cell:.1f}", f"{(stop - start) * cell:.1f}"
        marks.append(mark("bar", place, f"{2 + start * cell:.1f}", size, size, "frame"))
    size_class = "end" if cell >= LINE else "end small"
    names, below = [shorten(label, 10) for label in labels], n * cell + 8
    for i, name in enumerate(names):
        middle = (i + 0.5) * cell + 4
        marks.append(mark("text", 94, f"{2 + middle:.1f}", size_class, name))
        turned = f"translate({100 + middle:.1f} {below:.1f}) rotate(-90)"
        marks.append(mark("turned", turned, size_class, name))
    return picture(caption, below + 12 + 10 * max(map(len, names)), *marks, width=104 + n * cell)


def _shade(where: npt.NDArray[np.bool_], cell: float, level: int) -> Markup:
    if not where.any():
        return Markup("")
    size = f"{cell:.1f}"
    square = f"h{size}v{size}h-{size}z"
    path = "".join(f"M{100 + j * cell:.1f} {2 + i * cell:.1f}{square}" for i, j in np.argwhere(where))
    return mark("area", path, f"q{'n' if level < 0 else 'p'}{abs(level)}")


def _runs(groups: Sequence[int]) -> list[tuple[int, int]]:
    edges = [i for i in range(len(groups)) if i == 0 or groups[i] != groups[i - 1]]
    return list(zip(edges, [*edges[1:], len(groups)], strict=True))


def _x(dates: Dates) -> FloatArray:
    days = dates.astype("datetime64[D]").astype(np.int64).astype(np.float64)
    span = days[-1] - days[0]
    share = (days - days[0]) / span if span else np.full(len(days), 0.5)
    return np.asarray(LEFT + share * (WIDTH - LEFT - RIGHT))


def _heights(values: FloatArray, axis: Axis, height: float) -> FloatArray:
    return np.asarray(height - BOTTOM - axis.at(values) * (height - TOP - BOTTOM))


def _y(value: float, axis: Axis, height: float) -> str:
    return f"{float(_heights(np.array(value), axis, height)):.1f}"


def _points(dates: Dates, values: FloatArray, axis: Axis, height: float) -> list[str]:
    known = np.flatnonzero(np.isfinite(values))
    kept = known[thinned(values[known])] if len(known) else known
    heights = _heights(values[kept], axis, height)
    return [f"{x:.1f},{y:.1f}" for x, y in zip(_x(dates)[kept], heights, strict=True)]


def _steps(dates: Dates, values: FloatArray, axis: Axis, height: float) -> str:
    x, heights, zero = _x(dates), _heights(values, axis, height), _y(0.0, axis, height)
    steps = "".join(f"V{y:.1f}H{right:.1f}" for y, right in zip(heights, x[1:], strict=True))
    return f"M{x[0]:.1f} {zero}{steps}V{zero}Z"


def _grid(axis: Axis, height: float, right: float = RIGHT) -> Markup:
    ticks = [(_y(value, axis, height), label, "zero" if value == 0 else "grid") for value, label in axis.ticks]
    return mark("grid", f"{LEFT:g}", f"{WIDTH - right:g}", f"{LEFT - 7:g}", ticks)


def _dates(dates: Dates, height: float) -> Markup:
    ticks = [(f"{LEFT + share * (WIDTH - LEFT - RIGHT):.1f}", label) for share, label in date_ticks(dates, DATES)]
    return mark("dates", height - BOTTOM, height - BOTTOM + 5, height - 7, ticks)


def _end_labels(lines: Sequence[Line], axis: Axis, height: float) -> Markup:
    ends: list[tuple[float, Line]] = []
    for line in lines:
        known = line.values[np.isfinite(line.values)]
        if len(known):
            ends.append((float(_y(float(known[-1]), axis, height)), line))
    ends.sort(key=lambda end: end[0])
    places = spread([y for y, _ in ends], TOP, height - BOTTOM)
    labels = [(f"{y:.1f}", line.label, line.style) for y, (_, line) in zip(places, ends, strict=True)]
    return mark("ends", f"{WIDTH - RIGHT + 7:g}", labels)


def spread(places: Sequence[float], low: float, high: float) -> list[float]:
    """Return rising *places* moved apart to at least ``LINE``, within [*low*, *high*] when they fit."""
    down: list[float] = []
    for place in places:
        down.append(max(place, down[-1] + LINE) if down else max(place, low))
    ceiling = high
    for i in range(len(down) - 1, -1, -1):
        down[i] = min(down[i], ceiling)
        ceiling = down[i] - LINE
    return down
