"""The arithmetic of the breadth stage: plain numpy, no quantflow, easily tested."""

from __future__ import annotations

from typing import Any

import numpy as np


def share_above_average(close: Any, window: int) -> Any:
    """Return, per session, the share of symbols whose close is above its average of the last *window* sessions.

    Args:
        close: Closes, shape (N, T), oldest first; NaN is a session without a price.
        window: Sessions in the average, the one that is described included.

    Returns:
        Shape (T,), between 0 and 1; NaN where no symbol has a full window of prices.
    """
    sums = np.cumsum(np.nan_to_num(close), axis=1)
    counts = np.cumsum(np.isfinite(close), axis=1)
    sums[:, window:] -= sums[:, :-window].copy()
    counts[:, window:] -= counts[:, :-window].copy()
    known = np.isfinite(close) & (counts == window)
    above = known & (close > sums / window)
    described = known.sum(axis=0)
    return np.divide(above.sum(axis=0), described, out=np.full(close.shape[1], np.nan), where=described > 0)
