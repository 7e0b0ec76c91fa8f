"""What a book is exposed to: the market, groups of names, and features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

LEAST = 60
"""Sessions that a beta needs."""
WINDOW = 252
"""Sessions that a beta looks back on."""
FAR = 3.0
"""Standard deviations beyond which a value counts as that far: one outlier is not a tilt."""


@dataclass(frozen=True)
class Exposure:
    """One exposure of a book.

    Attributes:
        kind: ``beta``, ``sector``, ``cluster`` or ``feature``.
        name: The benchmark, group or feature.
        net: The beta; the sum of signed weights; or the mean z-score.
        gross: The sum of absolute weights; NaN where there is none.
    """

    kind: str
    name: str
    net: float
    gross: float = nan


def betas(returns: FloatArray, benchmark: FloatArray) -> FloatArray:
    """Return the slope of each name's returns on a benchmark's, shape (N,): their covariance over its variance.

    Args:
        returns: Simple returns, shape (N, S); NaN is left out.
        benchmark: Of the same sessions, shape (S,); NaN is left out.

    Returns:
        NaN for a name with fewer than ``LEAST`` sessions, or where the benchmark does not move.
    """
    known = np.isfinite(returns) & np.isfinite(benchmark)
    count = known.sum(axis=1)
    theirs = np.where(known, benchmark, 0.0)
    away = np.where(known, benchmark - (theirs.sum(axis=1) / np.maximum(count, 1))[:, None], 0.0)
    spread = (away * away).sum(axis=1)
    out = np.full(len(returns), nan)
    moves = spread > 1e-24 * np.maximum(count, 1)
    np.divide((away * np.where(known, returns, 0.0)).sum(axis=1), spread, out=out, where=(count >= LEAST) & moves)
    return out


def beta_of(weights: FloatArray, found: FloatArray) -> float:
    """Return a book's beta: the sum of weight times beta over the names held; NaN where one of those has none.

    Args:
        weights: Signed fractions of wealth, shape (N,); cash, with a beta of 0, is what they leave of 1.
        found: Betas, shape (N,).
    """
    held = np.flatnonzero(weights)
    return float(weights[held] @ found[held])


def grouped(kind: str, weights: FloatArray, labels: Sequence[object]) -> list[Exposure]:
    """Return the net and gross weight of each group, sorted by name.

    Args:
        kind: What the groups are.
        weights: Signed weights, shape (N,).
        labels: The group of each name; what has none is the group ``none``.
    """
    net: dict[str, float] = {}
    gross: dict[str, float] = {}
    for label, weight in zip(labels, weights.tolist(), strict=True):
        name = "none" if label is None or label != label or label == "" else str(label)
        net[name] = net.get(name, 0.0) + weight
        gross[name] = gross.get(name, 0.0) + abs(weight)
    return [Exposure(kind, name, net[name], gross[name]) for name in sorted(net)]


def tilts(weights: Mapping[int, float], values: FloatArray) -> FloatArray:
    """Return how far a book leans to each of F features: the mean z-score of what it holds, by weight, shape (F,).

    The z-score is that of the cross-section of all N names (population standard deviation), at most ``FAR`` in size. A
    short counts with the opposite sign, and the sum is divided by the gross weight of the names with a value: 1 is a
    book whose names lie one standard deviation above the mean.

    Args:
        weights: Signed weights by position of the name.
        values: Shape (N, F); NaN or infinite is undefined.

    Returns:
        NaN for a feature that none of the names held has, or that is the same for all.
    """
    out = np.full(values.shape[1], nan)
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    middle = np.where(known, values, 0.0).sum(axis=0) / count
    away = np.where(known, values - middle, 0.0)
    spread = np.sqrt((away * away).sum(axis=0) / count)
    at, held = list(weights), np.array(list(weights.values()))
    scaled = np.divide(away[at], spread, out=np.zeros((len(at), len(out))), where=spread > 1e-12 * np.abs(middle))
    gross = np.abs(held) @ known[at]
    defined = (gross > 0.0) & (spread > 1e-12 * np.abs(middle))
    np.divide(held @ np.clip(scaled, -FAR, FAR), gross, out=out, where=defined)
    return out
