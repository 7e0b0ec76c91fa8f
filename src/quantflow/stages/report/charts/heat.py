"""A square of values in shades."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from quantflow.stages.report.charts.frame import Caption, FloatArray, Shape, mark, picture
from quantflow.stages.report.render import shorten

WIDTH = 520.0
"""At which letters can be read on a phone, where the style sheet makes them larger."""
LINE = 19.0
"""Least height of a row for letters of full size."""


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
    high = below + 12 + 10 * max(map(len, names))
    rows = [[name, *(f"{value:.4f}" for value in row)] for name, row in zip(labels, matrix, strict=True)]
    shape = Shape("map", box=f"0 0 {104 + n * cell:g} {high:g}")
    return picture(caption, *marks, shape=shape, data=(["", *labels], rows))


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
