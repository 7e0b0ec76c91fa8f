"""What charts share: the picture and its name, grid, dates, and columns that show their values under the pointer.

A chart is as wide as the page and as high as the style sheet says: marks lie at percentages of both, and letters keep
their size. What must stretch lies in a drawing of ``GRID`` by ``GRID`` units inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from quantflow.stages.report.charts.scale import Axis, date_ticks
from quantflow.stages.report.render import csv_link, joined, part

FloatArray = npt.NDArray[np.float64]
Dates = npt.NDArray[np.datetime64]
Write = Callable[[float], str]
"""Writes a value for a reader."""

GRID = 1000.0
COLUMNS = 400
"""Most columns that show values under the pointer: a screen has hardly more."""
CELLS = 4200
"""Most values in the CSV of a curve; beyond, dates are left out evenly."""
DATES = {"desk": 9, "phone": 4}
"""Most dates below a chart, by what it is shown on."""
COLOURS = 20
"""Colours for named series (CSS classes k1 to k20); k0 is grey, for all others together."""


@dataclass(frozen=True)
class Caption:
    """What a chart is called and, for those who cannot see it, what it says.

    Attributes:
        slug: Unique in the page; part of element ids and the name of its CSV file.
        title: Short name.
        text: The key figures in a sentence.
        unit: What the value axis measures.
    """

    slug: str
    title: str
    text: str
    unit: str = ""


@dataclass(frozen=True)
class Shape:
    """How a chart is framed.

    Attributes:
        style: CSS classes that size it.
        height: In pixels, where the style sheet does not say; 0 where it does.
        box: The view box of a drawing that scales as a whole; empty for one that stretches.
    """

    style: str = "plot"
    height: float = 0.0
    box: str = ""


mark = partial(part, template="charts.html")


def picture(
    caption: Caption,
    *marks: Markup | None,
    shape: Shape = Shape(),
    names: Markup | None = None,
    data: tuple[Sequence[str], Iterable[Sequence[object]]] | None = None,
    note: str = "",
) -> Markup:
    """Return a figure: a drawing named for screen readers, its legend, and a link to its values as CSV.

    Args:
        caption: Names the chart.
        marks: What is drawn.
        shape: How it is framed.
        names: The legend.
        data: Head and rows of the CSV; no link without.
        note: What the CSV leaves out.
    """
    link = csv_link(caption.slug.removeprefix("c-"), *data, note) if data else None
    return mark("picture", caption, shape, joined(marks), names, link)


def legend(entries: Sequence[tuple[str, str]], only: str = "") -> Markup:
    """Return swatches with names, from (CSS class, name), *only* on what that class shows."""
    return part("legend", entries, only)


def unit(caption: Caption) -> Markup:
    """Return what the value axis measures, above it."""
    return mark("unit", caption.unit)


def stretched(*marks: Markup) -> Markup:
    """Return marks in a drawing of ``GRID`` by ``GRID`` that fills the chart."""
    return mark("stretched", joined(marks))


def across(dates: Dates) -> FloatArray:
    """Return where dates lie, from 0 to 1; one date alone in the middle."""
    days = dates.astype("datetime64[D]").astype(np.int64).astype(np.float64)
    span = days[-1] - days[0]
    return np.asarray((days - days[0]) / span if span else np.full(len(days), 0.5))


def share(value: float) -> str:
    """Return a part of the width or height as a percentage."""
    return f"{100.0 * value:.2f}%"


def down(values: FloatArray | float, axis: Axis) -> FloatArray:
    """Return how far below the top values lie, from 0 to 1."""
    return np.asarray(1.0 - axis.at(values))


def grid(axis: Axis) -> Markup:
    """Return the lines and labels of the value axis."""
    ticks = [(share(float(down(value, axis))), label, "zero" if value == 0 else "grid") for value, label in axis.ticks]
    return mark("grid", ticks)


def calendar(dates: Dates) -> Markup:
    """Return the labels of the time axis, as many as there is room for."""
    return joined(
        mark("dates", [(share(place), label) for place, label in date_ticks(dates, count)], shown)
        for shown, count in DATES.items()
    )


def hover(places: FloatArray, says: Callable[[int], Sequence[str]], kept: npt.NDArray[np.intp]) -> Markup:
    """Return columns side by side that show lines of text under the pointer.

    Args:
        places: Where the points lie, from 0 to 1, rising, shape (T,).
        says: Returns the lines of a point, by its position.
        kept: The points that have a column.
    """
    at = places[kept]
    edges = np.concatenate([[0.0], (at[1:] + at[:-1]) / 2.0, [1.0]]) * GRID
    cells = [
        (f"{left:.1f}", f"{right - left:.1f}", says(int(i)))
        for i, (left, right) in zip(kept, pairwise(edges), strict=True)
    ]
    return mark("hover", cells)


def picked(number: int, most: int) -> npt.NDArray[np.intp]:
    """Return at most so many of *number* positions, evenly, the first and the last among them."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).astype(np.intp))
