"""A figure of many trials over two of their settings: a grid, each cell's neighbours, and peaks that stand alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ERRORS = 2.0
"""Standard errors by which a lonely peak exceeds the mean of its neighbours."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A figure over two settings, rows by the first one's values and columns by the second's.

    Attributes:
        mean: Mean of the trials in each cell, shape (A, B); NaN where there is none.
        count: How many trials that is, shape (A, B).
        around: Mean of the cell's up to eight neighbours, shape (A, B); NaN without one.
        spread: Their sample standard deviation (n - 1), shape (A, B); NaN with fewer than two.
        lonely: Whether the cell is a peak among bad neighbours, shape (A, B).
    """

    mean: FloatArray
    count: IntArray
    around: FloatArray
    spread: FloatArray
    lonely: BoolArray


def levels(values: Sequence[Any]) -> tuple[list[Any], IntArray]:
    """Return the distinct values of a setting in order, and the position of each trial's.

    Numbers are in the order of numbers where all values are numbers; anything else is in the order of its JSON text.
    """
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    keys = [float(value) if numbers else json.dumps(value, sort_keys=True, default=str) for value in values]
    order = sorted(set(keys))
    place = {key: position for position, key in enumerate(order)}
    first = dict(zip(reversed(keys), reversed(values), strict=True))
    return [first[key] for key in order], np.array([place[key] for key in keys], dtype=np.int64)


def surface(values: FloatArray, rows: IntArray, columns: IntArray, error: float) -> Surface:
    """Return the grid of a figure over two settings.

    A cell is a peak among bad neighbours when it is above each of at least two neighbours, and above their mean by more
    than twice the standard error of the figure: more than chance gives a single trial. Trials on the same data err
    together, so their differences have a smaller error than that, and the mark is seldom a false alarm. (A parameter
    choice is robust if its neighbours do nearly as well: Pardo 2008, The Evaluation and Optimization of Trading
    Strategies, chapter 10.)

    Args:
        values: The figure of N trials, higher being better, shape (N,); NaN for a trial that failed, which is left out.
        rows: Position of each trial's value of the first setting, shape (N,).
        columns: Position of its value of the second setting, shape (N,).
        error: Standard error of the figure of one trial, in its units.
    """
    shape = (int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1)
    kept = ~np.isnan(values)
    count, total = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    np.add.at(count, (rows[kept], columns[kept]), 1)
    np.add.at(total, (rows[kept], columns[kept]), values[kept])
    mean = np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)
    near = _neighbours(mean)
    known = (~np.isnan(near)).sum(axis=0)
    around = np.divide(np.nansum(near, axis=0), known, out=np.full(shape, np.nan), where=known > 0)
    squares = np.nansum((near - around) ** 2, axis=0)
    spread = np.sqrt(np.divide(squares, known - 1, out=np.full(shape, np.nan), where=known > 1))
    above = mean > np.where(np.isnan(near), -np.inf, near).max(axis=0, initial=-np.inf)
    return Surface(mean, count, around, spread, (known > 1) & above & (mean - around > ERRORS * error))


def _neighbours(grid: FloatArray) -> FloatArray:
    """Return the up to eight values around each cell, shape (8, A, B); NaN beyond the edge."""
    padded = np.pad(grid, 1, constant_values=np.nan)
    height, width = grid.shape
    steps = [(down, right) for down in range(3) for right in range(3) if (down, right) != (1, 1)]
    return np.stack([padded[down : down + height, right : right + width] for down, right in steps])
