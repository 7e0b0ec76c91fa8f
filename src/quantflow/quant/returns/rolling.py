"""Figures over the sessions before each close."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quantflow.quant.significance import NOISE

FloatArray = npt.NDArray[np.float64]


def rolling_volatility(returns: FloatArray, window: int, annualisation: int) -> FloatArray:
    """Return the annualised sample standard deviation of the last *window* sessions, shape (S,); NaN before that.

    Args:
        returns: Simple returns, shape (S,).
        window: Sessions, at least 2.
        annualisation: Sessions per year.
    """
    return _padded(_windows(returns, window).std(axis=1, ddof=1) * np.sqrt(annualisation), window, len(returns))


def rolling_sharpe(returns: FloatArray, window: int, annualisation: int) -> FloatArray:
    """Return the Sharpe ratio of the last *window* sessions, shape (S,): mean over deviation, annualised.

    NaN before there are as many, and where nothing moved.
    """
    seen = _windows(returns, window)
    deviation = seen.std(axis=1, ddof=1)
    ratio = np.full(len(seen), np.nan)
    np.divide(seen.mean(axis=1), deviation, out=ratio, where=deviation > NOISE)
    return _padded(ratio * np.sqrt(annualisation), window, len(returns))


def _windows(returns: FloatArray, window: int) -> FloatArray:
    if len(returns) < window:
        return np.empty((0, window))
    return np.lib.stride_tricks.sliding_window_view(returns, window)


def _padded(values: FloatArray, window: int, sessions: int) -> FloatArray:
    return np.concatenate([np.full(min(window - 1, sessions), np.nan), values])
