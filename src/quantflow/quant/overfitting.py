"""How likely it is that the best of several trials is best by chance."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from quantflow.errors import DataError

FloatArray = npt.NDArray[np.float64]

BLOCKS = 16
"""Parts that time is cut into: 12,870 ways to choose the half that trials are chosen on."""

_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What became, out of sample, of the trials that were best in sample.

    Attributes:
        probability: The fraction of the ways to cut time in two in which the best trial of one half is in the lower half
            of the trials in the other: about 0.5 where all trials are noise.
        logits: Of each way, ln(w / (1 - w)), w being the best one's relative rank out of sample, shape (C,).
        chosen: How often each trial was best in sample, shape (N,).
    """

    probability: float
    logits: FloatArray
    chosen: npt.NDArray[np.int64]


def overfitting(returns: FloatArray, blocks: int = BLOCKS) -> Overfitting:
    """Return the probability of backtest overfitting, by combinatorially symmetric cross-validation.

    Time is cut into blocks; half of them, in every possible way, are the sample on which the trial with the highest
    Sharpe ratio is chosen, and the others judge it. Bailey, Borwein, López de Prado and Zhu (2015), "The probability of
    backtest overfitting".

    Args:
        returns: Simple returns of N >= 2 trials on the same sessions, finite, shape (T, N); the oldest ones that fill no
            block are left out.
        blocks: An even number, at least 4.

    Raises:
        DataError: If there are fewer than two trials, or fewer than two sessions per block.
    """
    size = len(returns) // blocks
    if returns.shape[1] < 2 or size < 2:
        raise DataError(f"{returns.shape[1]} trials of {len(returns)} sessions cannot be cross-validated.")
    cut = returns[len(returns) - size * blocks :].reshape(blocks, size, -1)
    first, second = cut.sum(axis=1), (cut**2).sum(axis=1)
    ways = np.array(list(combinations(range(blocks), blocks // 2)))
    logits, chosen = [], np.zeros(returns.shape[1], dtype=np.int64)
    for start in range(0, len(ways), _AT_ONCE):
        inside = np.zeros((len(ways[start : start + _AT_ONCE]), blocks))
        np.put_along_axis(inside, ways[start : start + _AT_ONCE], 1.0, axis=1)
        within, without = (_ratios(half @ first, half @ second, size * blocks // 2) for half in (inside, 1.0 - inside))
        best = within.argmax(axis=1)
        rank = _rank(without, best)
        logits.append(np.log(rank / (1.0 - rank)))
        chosen += np.bincount(best, minlength=returns.shape[1])
    found = np.concatenate(logits)
    return Overfitting(float((found <= 0.0).mean()), found, chosen)


def _ratios(total: FloatArray, squares: FloatArray, count: int) -> FloatArray:
    """Return mean over standard deviation from sums; 0 for a trial that took no risk."""
    mean = total / count
    deviation = np.sqrt(np.maximum(squares - count * mean**2, 0.0) / (count - 1))
    return np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 0.0)


def _rank(ratios: FloatArray, which: npt.NDArray[np.int64]) -> FloatArray:
    """Return the relative rank of one trial per row, in (0, 1); equal ones share theirs."""
    own = np.take_along_axis(ratios, which[:, None], axis=1)
    below, equal = (ratios < own).sum(axis=1), (ratios == own).sum(axis=1)
    return np.asarray((below + (equal + 1) / 2.0) / (ratios.shape[1] + 1))
