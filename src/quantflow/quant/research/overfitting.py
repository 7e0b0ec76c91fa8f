"""How likely it is that the best of several trials is best by chance."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from quantflow.errors import DataError
from quantflow.quant.significance import NOISE

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BLOCKS = 16
"""Parts that time is cut into: 12,870 ways to choose the half that trials are chosen on."""

_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What became, out of sample, of the trials that were best in sample.

    Attributes:
        probability: The fraction of the ways to cut time in two in which the best trial of one half is in the lower
            half of the trials in the other, one in the middle counting half: 0.5 is expected of noise.
        logits: Of each way, ln(w / (1 - w)), w being the best one's relative rank out of sample, shape (C,).
        chosen: How often each trial was best in sample, shape (N,).
    """

    probability: float
    logits: FloatArray
    chosen: IntArray


def overfitting(returns: FloatArray, blocks: int = BLOCKS) -> Overfitting:
    """Return the probability of backtest overfitting, by combinatorially symmetric cross-validation.

    Time is cut into blocks; half of them, in every possible way, are the sample on which the trial with the highest
    Sharpe ratio is chosen, and the others judge it. Of equal trials the first is chosen, and they share their rank. The
    paper counts a logit of 0 as overfitted; here it counts half, or three trials of noise would have 2 / 3.

    Args:
        returns: Simple returns of N >= 2 trials on the same sessions, finite, shape (T, N); the oldest ones that fill
            no block are left out.
        blocks: An even number, at least 4.

    Raises:
        DataError: If there are fewer than two trials, or fewer than two sessions per block.

    Source:
        Bailey, Borwein, López de Prado and Zhu (2015), The probability of backtest overfitting, section 3.
    """
    size, trials = len(returns) // blocks, returns.shape[1]
    if trials < 2 or size < 2:
        raise DataError(f"{trials} trials of {len(returns)} sessions cannot be cross-validated.")
    sums = _Halves(returns[len(returns) - size * blocks :], blocks)
    ways = np.array(list(combinations(range(blocks), blocks // 2)))
    logits, chosen = np.empty(len(ways)), np.zeros(trials, dtype=np.int64)
    for start in range(0, len(ways) // 2, _AT_ONCE):  # the other half of the ways are the complements, in reverse order
        rows = np.arange(start, min(start + _AT_ONCE, len(ways) // 2))
        these, others = sums.ratios((1 << ways[rows]).sum(axis=1))
        for within, without, places in ((these, others, rows), (others, these, len(ways) - 1 - rows)):
            best = within.argmax(axis=1)
            rank = _rank(without, best)
            logits[places] = np.log(rank / (1.0 - rank))
            chosen += np.bincount(best, minlength=trials)
    return Overfitting(float((logits < 0.0).mean() + (logits == 0.0).mean() / 2.0), logits, chosen)


class _Halves:
    """The Sharpe ratios of all trials on any half of the blocks and on the other, from sums over blocks.

    A sum over any blocks is one over the older blocks plus one over the newer: two tables of 2^(blocks / 2) rows. They
    are added element by element, so that equal streams have equal ratios to the last bit.
    """

    def __init__(self, returns: FloatArray, blocks: int) -> None:
        self.count, self.low = len(returns) // 2, blocks // 2
        self.mean = returns.mean(axis=0)
        cut = (returns - self.mean).reshape(blocks, -1, returns.shape[1])
        self.tables = [
            [_subset_sums(part) for part in (each[: self.low], each[self.low :])]
            for each in (cut.sum(axis=1), (cut**2).sum(axis=1))
        ]

    def ratios(self, masks: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the ratios on the blocks of each mask and on the others, each of shape (len(masks), N)."""
        full = (1 << self.low) - 1
        return self._ratio(masks & full, masks >> self.low), self._ratio(~masks & full, ~(masks >> self.low) & full)

    def _ratio(self, older: IntArray, newer: IntArray) -> FloatArray:
        total, squares = (old[older] + new[newer] for old, new in self.tables)
        deviation = np.sqrt(np.maximum(squares - total**2 / self.count, 0.0) / (self.count - 1))
        mean = self.mean + total / self.count
        ratio: FloatArray = np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > NOISE)
        return ratio


def _subset_sums(rows: FloatArray) -> FloatArray:
    """Return the sum of every subset of K rows, subset by its bits, shape (2^K, N)."""
    sums = np.zeros((1, rows.shape[1]))
    for row in rows:
        sums = np.concatenate([sums, sums + row])
    return sums


def _rank(ratios: FloatArray, which: IntArray) -> FloatArray:
    """Return the relative rank of one trial per row, in (0, 1); equal ones share theirs."""
    own = np.take_along_axis(ratios, which[:, None], axis=1)
    below, equal = (ratios < own).sum(axis=1), (ratios == own).sum(axis=1)
    return np.asarray((below + (equal + 1) / 2.0) / (ratios.shape[1] + 1))
