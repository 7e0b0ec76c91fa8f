"""The choice among trials inside a walk-forward: at each decision by what was known then."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from quantflow.errors import DataError
from quantflow.quant.significance import NOISE

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Metric = Callable[[FloatArray, IntArray, int], FloatArray]
"""``(net, decided, first)`` to a figure per trial and decision, shape (K, R), higher being better; NaN if undefined."""

LEAST = 63
"""Sessions that a choice needs: a quarter of a year."""


def expanding_sharpe(net: FloatArray, decided: IntArray, first: int) -> FloatArray:
    """Return each trial's Sharpe ratio, per session, from *first* up to each decision; NaN where it has no risk.

    It reads nothing after a decision, in no rounding either: returns less that of *first* are summed forwards.

    Args:
        net: Returns after costs of K trials, shape (K, S); after a NaN a trial's ratio is NaN.
        decided: Positions of R sessions, ascending, shape (R,), each at least *first*.
        first: Position of the first session that counts.

    Returns:
        Ratios, shape (K, R).
    """
    starts = np.concatenate([[0], decided[:-1] + 1 - first])
    shift = net[:, first, None]
    moved = net[:, first : decided[-1] + 1] - shift
    total, squares = (np.add.reduceat(each, starts, axis=1).cumsum(axis=1) for each in (moved, moved**2))
    count = decided - first + 1.0
    variance = np.maximum(squares - total**2 / count, 0.0) / np.maximum(count - 1.0, 1.0)
    ratio = np.full(variance.shape, np.nan)
    np.divide(shift + total / count, np.sqrt(variance), out=ratio, where=variance > NOISE**2)
    return ratio


def chosen(
    net: FloatArray, decided: IntArray, first: int, metric: Metric = expanding_sharpe, least: int = LEAST
) -> IntArray:
    """Return which trial was the best up to each decision, by all sessions from *first* to it, itself included.

    What follows a choice is out of sample for the choice too: a stream that is put together from the chosen trials'
    returns may be called so, which the best trial's own may not.

    Args:
        net: Returns after costs of K trials on the same S sessions, shape (K, S). A trial is not chosen after a NaN.
        decided: Positions of the R sessions at whose close is decided, ascending without repeats, shape (R,).
        first: Position of the first session that counts.
        metric: What is compared; the Sharpe ratio by default.
        least: Sessions below which nothing is chosen, at least 2.

    Returns:
        The position of a trial per decision, shape (R,): of equal ones the first; -1 with too few sessions, or where no
        trial has a figure.

    Raises:
        DataError: If the decisions are not ascending positions of sessions.

    Source:
        Varma and Simon (2006), Bias in error estimation when using cross-validation for model selection.
    """
    if len(decided) and (decided[0] < 0 or decided[-1] >= net.shape[1] or bool((np.diff(decided) <= 0).any())):
        raise DataError(f"Decisions must be ascending positions of {net.shape[1]} sessions.")
    result = np.full(len(decided), -1, dtype=np.int64)
    late = np.flatnonzero(decided - first + 1 >= max(least, 2))
    if len(late) and len(net):
        found = metric(net, decided[late], first)
        scores = np.where(np.isnan(found), -np.inf, found)
        result[late] = np.where(np.isneginf(scores).all(axis=0), -1, scores.argmax(axis=0))
    return result
