"""The shape of a distribution of returns: its tails, its moments, and how gains compare with losses.

A figure is None where it is undefined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantflow.quant.significance import NOISE

FloatArray = npt.NDArray[np.float64]


def value_at_risk(returns: FloatArray, level: float) -> float:
    """Return the loss that a share *level* of returns does not exceed, as a positive fraction; negative for a gain.

    Historical: the (1 - level) quantile of the returns, linear between two of them.
    """
    return float(-np.quantile(returns, 1.0 - level))


def skewness(returns: FloatArray) -> float | None:
    """Return the third standardised population moment; 0 for a symmetric distribution, below for a long left tail."""
    return _moment(returns, 3)


def excess_kurtosis(returns: FloatArray) -> float | None:
    """Return the fourth standardised population moment less 3; 0 for a normal distribution, above for fat tails."""
    fourth = _moment(returns, 4)
    return None if fourth is None else fourth - 3.0


def _moment(returns: FloatArray, power: int) -> float | None:
    deviation = float(returns.std())
    return float((((returns - returns.mean()) / deviation) ** power).mean()) if deviation > NOISE else None


def tail_ratio(returns: FloatArray) -> float | None:
    """Return the 95 % quantile over the size of the 5 % quantile; above 1 the large moves are gains."""
    high, low = (float(np.quantile(returns, share)) for share in (0.95, 0.05))
    return abs(high / low) if abs(low) > NOISE else None


def profit_factor(returns: FloatArray) -> float | None:
    """Return the sum of gains over the sum of losses, the Omega ratio at 0; None without a loss."""
    lost = float(-returns[returns < 0.0].sum())
    return float(returns[returns > 0.0].sum()) / lost if lost > NOISE else None


def payoff_ratio(returns: FloatArray) -> float | None:
    """Return the mean gain over the mean loss; None where there is no gain or no loss."""
    gains, losses = returns[returns > 0.0], returns[returns < 0.0]
    return float(gains.mean() / -losses.mean()) if len(gains) and len(losses) else None


def longest_streak(returns: FloatArray, sign: int) -> int:
    """Return the most returns in a row that are gains (*sign* 1) or losses (-1)."""
    hit = np.concatenate([[0], (np.sign(returns) == sign).astype(np.int64), [0]])
    edges = np.diff(hit)
    runs = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(runs.max(initial=0))


@dataclass(frozen=True)
class Histogram:
    """Counts of returns in bins of one width.

    Attributes:
        edges: Rising edges of the bins, shape (B + 1,).
        counts: Returns in each bin, shape (B,); the first and the last also hold those beyond it.
        below: How many lie below the first edge.
        above: How many lie at the last edge or above it.
    """

    edges: FloatArray
    counts: npt.NDArray[np.int64]
    below: int
    above: int


def histogram(returns: FloatArray, width: float, reach: float) -> Histogram:
    """Return a histogram whose bins begin at multiples of *width*.

    Args:
        returns: Simple returns, at least one.
        width: Of a bin, > 0.
        reach: Bins cover the returns up to this size; those beyond it are counted in the outermost bin.
    """
    low = max(float(returns.min()), -reach)
    high = min(float(returns.max()), reach)
    first, last = int(np.floor(low / width)), int(np.floor(high / width)) + 1
    edges = np.asarray(np.arange(first, last + 1) * width, dtype=np.float64)
    bins = np.clip(np.searchsorted(edges, returns, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(bins, minlength=len(edges) - 1)
    return Histogram(edges, counts, int((returns < edges[0]).sum()), int((returns >= edges[-1]).sum()))


def normal_counts(edges: FloatArray, mean: float, deviation: float, number: int) -> FloatArray:
    """Return how many of *number* normal draws each bin is expected to hold, shape (B,).

    Args:
        edges: Edges of the bins, shape (B + 1,).
        mean: Mean of the normal distribution.
        deviation: Its standard deviation, > 0.
        number: How many are drawn.
    """
    from scipy.special import ndtr

    return np.asarray(number * np.diff(ndtr((edges - mean) / deviation)), dtype=np.float64)
