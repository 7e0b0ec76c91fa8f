"""Bars to the right, columns by label, and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from quantflow.quant.returns.tails import Histogram
from quantflow.stages.report.charts.frame import (
    DATES,
    GRID,
    Caption,
    FloatArray,
    Shape,
    Write,
    down,
    grid,
    hover,
    legend,
    mark,
    picture,
    share,
    stretched,
    unit,
)
from quantflow.stages.report.charts.lines import Line
from quantflow.stages.report.charts.scale import Axis, round_step
from quantflow.stages.report.figures import count, plural
from quantflow.stages.report.render import joined, shorten

PITCH = 26.0
"""Height of a row of bars, in pixels."""


@dataclass(frozen=True)
class Bar:
    """One horizontal bar: label, length, what is written at its end, and a paler length behind it."""

    label: str
    value: float
    note: str
    behind: float = 0.0
    style: str = "k1"


def bar_chart(caption: Caption, bars: Sequence[Bar]) -> Markup:
    """Return horizontal bars from a common zero, negative ones to the left of it."""
    values = np.array([v for bar in bars for v in (bar.value, bar.behind)] + [0.0])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    scale = 1.0 / max(high - low, 1e-12)
    rows = [_bar(bar, i * PITCH, -low * scale, scale) for i, bar in enumerate(bars)]
    return picture(caption, *rows, shape=Shape("bars", len(bars) * PITCH + 4))


def _bar(bar: Bar, top: float, zero: float, scale: float) -> Markup:
    end = zero + max(bar.value, bar.behind, 0.0) * scale
    return joined(
        [
            mark("label", f"{top + PITCH / 2:g}", shorten(bar.label, 12)),
            _rectangle(bar.behind, top, zero, scale, "behind") if bar.behind else None,
            _rectangle(bar.value, top, zero, scale, bar.style),
            mark("note", share(end), f"{top + PITCH / 2:g}", bar.note),
        ]
    )


def _rectangle(value: float, top: float, zero: float, scale: float, style: str) -> Markup:
    start, size = zero + min(value, 0.0) * scale, abs(value) * scale
    return mark("bar", share(start), f"{top + 5:g}", share(max(size, 0.002)), PITCH - 9, style)


def column_chart(
    caption: Caption,
    labels: Sequence[str],
    series: Sequence[Line],
    axis: Axis,
    write: Write,
    style: str = "plot short wide",
) -> Markup:
    """Return a group of columns per label, one of each series; the labels are thinned so that they do not touch.

    Args:
        caption: Names the chart.
        labels: Names of the groups.
        series: A value per label each.
        axis: The value axis.
        write: Writes a value.
        style: CSS classes that size it.
    """
    n, m = len(labels), len(series)
    slot, zero = GRID / n, float(down(0.0, axis)) * GRID
    wide = min(slot * 0.78, 90.0) / m
    marks = []
    for j, line in enumerate(series):
        for i, value in enumerate(line.values.tolist()):
            y = zero if np.isnan(value) else float(down(value, axis)) * GRID
            x = (i + 0.5) * slot + (j - m / 2) * wide
            height = f"{max(abs(zero - y), 1.0):.1f}"
            marks.append(mark("bar", f"{x:.1f}", f"{min(y, zero):.1f}", f"{wide * 0.94:.1f}", height, f"c{line.style}"))
    middles = (np.arange(n) + 0.5) / n
    said = [
        [label, *(f"{line.label} {write(float(line.values[i]))}" for line in series)] for i, label in enumerate(labels)
    ]
    return picture(
        caption,
        unit(caption),
        grid(axis),
        _labels(labels, middles),
        stretched(*marks, hover(middles, lambda i: said[i], np.arange(n))),
        shape=Shape(style),
        names=legend([(line.style, line.label) for line in series]) if m > 1 else None,
        data=(["", *(line.label for line in series)], _values(labels, series)),
    )


def _values(labels: Sequence[str], series: Sequence[Line]) -> list[list[str]]:
    return [[label, *(f"{line.values[i]:.6g}" for line in series)] for i, label in enumerate(labels)]


def _labels(labels: Sequence[str], middles: FloatArray) -> Markup:
    """Return the labels below columns, as many as there is room for."""
    parts = []
    for shown, most in DATES.items():
        every = -(-len(labels) // (2 * most))
        ticks = [(share(middles[i]), label) for i, label in enumerate(labels) if i % every == 0]
        parts.append(mark("dates", ticks, shown))
    return joined(parts)


def histogram_chart(caption: Caption, found: Histogram, expected: FloatArray, axis: Axis, write: Write) -> Markup:
    """Return a histogram with a curve of what is expected of each bin over it.

    Args:
        caption: Names the chart.
        found: Counts by bin.
        expected: What a normal distribution would hold, shape (B,).
        axis: The value axis, of counts.
        write: Writes an edge of a bin.
    """
    edges, counts, n = found.edges, found.counts, len(found.counts)
    wide, places = GRID / n, (np.arange(n) + 0.5) / n
    marks = [
        mark(
            "bar",
            f"{i * wide:.1f}",
            f"{y:.1f}",
            f"{wide * 0.94:.1f}",
            f"{GRID - y:.1f}",
            "cnet" if edges[i] >= -1e-12 else "ck2",
        )
        for i, y in enumerate((down(counts.astype(np.float64), axis) * GRID).tolist())
        if counts[i]
    ]
    points = " ".join(f"{x * GRID:.1f},{y * GRID:.1f}" for x, y in zip(places, down(expected, axis), strict=True))
    return picture(
        caption,
        unit(caption),
        grid(axis),
        _edges(edges, write),
        stretched(
            *marks,
            mark("line", points, "", "curve"),
            hover(places, lambda i: _bin(i, found, expected, write), np.arange(n)),
        ),
        shape=Shape("plot short wide"),
        names=legend([("cloud", "normal distribution of the same mean and volatility")]),
        data=(["from", "to", "count", "normal"], _bins(found, expected)),
    )


def _edges(edges: FloatArray, write: Write) -> Markup:
    """Return the labels below a histogram, at round values."""
    step, _ = round_step(float(edges[-1] - edges[0]) / 5)
    first, span = int(np.ceil(edges[0] / step - 1e-9)), float(edges[-1] - edges[0])
    values = [i * step for i in range(first, int(np.floor(edges[-1] / step + 1e-9)) + 1)]
    return mark("dates", [(share((value - edges[0]) / span), write(value)) for value in values], "any")


def _bin(i: int, found: Histogram, expected: FloatArray, write: Write) -> list[str]:
    low, high = write(float(found.edges[i])), write(float(found.edges[i + 1]))
    beyond = found.below if i == 0 else found.above if i == len(found.counts) - 1 else 0
    lines = [f"{low} to {high}", plural(int(found.counts[i]), "return"), f"normal {expected[i]:.1f}"]
    return [*lines, f"{count(beyond)} of them beyond"] if beyond else lines


def _bins(found: Histogram, expected: FloatArray) -> list[list[str]]:
    return [
        [f"{low:.6g}", f"{high:.6g}", str(number), f"{normal:.6g}"]
        for low, high, number, normal in zip(found.edges, found.edges[1:], found.counts, expected, strict=False)
    ]
