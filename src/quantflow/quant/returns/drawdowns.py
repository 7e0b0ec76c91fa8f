"""Drawdowns one by one: from a peak of wealth down, and back up to it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from quantflow.quant.metrics import drawdowns

FloatArray = npt.NDArray[np.float64]

NOISE = 1e-12
"""A drawdown below this is rounding."""


@dataclass(frozen=True)
class Drawdown:
    """One drawdown; positions are those of sessions in the stream.

    Attributes:
        peak: The last session at the peak; -1 is the start, before the first session.
        bottom: The session with the least wealth, the first of them.
        recovered: The first session at which wealth is back at the peak; None while it is not.
        depth: Loss from peak to bottom, as a fraction > 0.
    """

    peak: int
    bottom: int
    recovered: int | None
    depth: float

    @property
    def down(self) -> int:
        """Sessions from peak to bottom."""
        return self.bottom - self.peak

    @property
    def up(self) -> int | None:
        """Sessions from bottom to recovery; None while there is none."""
        return None if self.recovered is None else self.recovered - self.bottom


def episodes(returns: FloatArray) -> list[Drawdown]:
    """Return every drawdown of a stream in the order of time; none overlap.

    Wealth starts at 1 before the first session, which is the first peak.
    """
    depth = drawdowns(returns)
    under = np.concatenate([[False], depth > NOISE, [False]])
    starts, stops = (np.flatnonzero(edge) for edge in (under[1:] & ~under[:-1], under[:-1] & ~under[1:]))
    found = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        bottom = start + int(depth[start:stop].argmax())
        found.append(Drawdown(start - 1, bottom, stop if stop < len(returns) else None, float(depth[bottom])))
    return found


def worst(returns: FloatArray, count: int) -> list[Drawdown]:
    """Return the *count* deepest drawdowns, the deepest first; of equal ones the earlier."""
    return sorted(episodes(returns), key=lambda each: -each.depth)[:count]


def longest(returns: FloatArray) -> int:
    """Return the most sessions that wealth was below an earlier peak without a break; 0 if it never was."""
    ends = [(each.recovered or len(returns)) - each.peak - 1 for each in episodes(returns)]
    return max(ends, default=0)


def ulcer_index(returns: FloatArray) -> float:
    """Return the root mean square of the drawdown at each close, as a fraction.

    Source:
        Martin and McCann (1989), The Investor's Guide to Fidelity Funds.
    """
    return sqrt(float(np.mean(drawdowns(returns) ** 2)))
