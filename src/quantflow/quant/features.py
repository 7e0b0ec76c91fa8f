"""Features: twelve numbers per symbol, from its bars up to the last session.

Every value depends on its own symbol's bars only, and on nothing older than ``FeatureWindows.sessions``.
A bar whose price is not positive and finite is a hole. A return next to a hole is undefined and left out; prices
are followed across a hole. Prices may be in any unit: only ``liquidity`` has one. Each feature needs the number of
observations at the end of its line; with fewer it is NaN.

- momentum: the close ``momentum_skip`` sessions ago over that ``momentum_long`` ago, minus 1. Where a bar is missing,
  the last of the 5 sessions before; NaN if there is none.
- volatility: annualised standard deviation (n - 1) of returns; 0 when they are constant. 20 returns.
- skewness, kurtosis: third and fourth (minus 3) standardised population moments of returns; NaN when they are
  constant. 20 returns.
- cvar: mean of the worst 5 % of returns (their number rounded up), sign turned: 0.03 is a loss of 3 %. 20 returns.
- entropy: normalised permutation entropy of returns, order 5, delay 1, in [0, 1]; NaN when they are constant.
  120 patterns that touch no hole.
- efficiency: distance from first to last close over the length of the path, in [0, 1]; NaN when the price never
  moves. 21 bars.
- hurst: Hurst exponent of returns by rescaled range: 0.5 a random walk, above it persistent; NaN when they are
  constant, or vary on fewer than 3 block sizes. 128 returns.
- drawdown: deepest loss from a peak of the closes: 0.2 is a loss of 20 %. 21 bars.
- liquidity: median of close times volume, in currency per session; NaN without volume. 20 sessions.
- trend: the last close over the mean of the last ``trend_window``, minus 1; NaN when the last 6 sessions have no
  bar. Three quarters of the window.
- adx: average directional index, period 14, in [0, 100]; NaN without highs and lows, or when the last 6 sessions
  have no bar with them. 28 bars.

All but momentum and trend look at the last ``lookback`` sessions, each with its return from the session before.

Source:
    Momentum: Jegadeesh & Titman (1993). CVaR: Rockafellar & Uryasev (2000). Permutation entropy: Bandt & Pompe
    (2002); ties count as in order of time, patterns that touch a hole are skipped; below some 600 patterns it is
    biased low. Efficiency ratio: Kaufman (1995). Hurst: Mandelbrot & Wallis (1969) on blocks of 8, 16, ... up to
    half the returns, with the expectation of Anis & Lloyd (1976) divided out. ADX: Wilder (1978); a bar without
    any directional movement counts as 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantflow.quant.chunks import each_chunk
from quantflow.quant.kernels import STALE, FloatArray, fill_rows

FEATURES: tuple[str, ...] = (
    "momentum",
    "volatility",
    "skewness",
    "kurtosis",
    "cvar",
    "entropy",
    "efficiency",
    "hurst",
    "drawdown",
    "liquidity",
    "trend",
    "adx",
)
"""The features, in the order of every result."""

_CHUNK = 128  # symbols: a chunk's bars fit a core's cache, and a small market never starts a thread


@dataclass(frozen=True)
class FeatureWindows:
    """How far back the features look, in sessions.

    Attributes:
        lookback: Sessions whose returns, ranges and traded values are measured.
        momentum_long: Age of the close that momentum starts from.
        momentum_skip: Age of the close that momentum ends at.
        trend_window: Sessions of the average that the trend is measured against.
    """

    lookback: int = 504
    momentum_long: int = 252
    momentum_skip: int = 21
    trend_window: int = 200

    @property
    def sessions(self) -> int:
        """The most sessions that a value can depend on."""
        return max(self.lookback + 1, self.momentum_long + 1 + STALE, self.trend_window)


def compute(
    fields: Mapping[str, FloatArray], windows: FeatureWindows, annualisation: int, threads: int | None = None
) -> dict[str, FloatArray]:
    """Return the features of N symbols at the last session.

    Args:
        fields: ``close``, and ``high``, ``low``, ``volume`` where they exist: float64, shape (N, T), oldest
            first; NaN is a hole.
        windows: How far back to look.
        annualisation: Sessions per year; scales the volatility by its square root.
        threads: Threads to spread more than 128 symbols over; as many as cores when None. The values are the
            same bytes for any number.

    Returns:
        One float64 array of shape (N,) per name of ``FEATURES``, in that order.
    """
    symbols, sessions = fields["close"].shape
    out = np.empty((symbols, len(FEATURES)))
    first = max(sessions - windows.sessions, 0)
    scale = math.sqrt(annualisation)

    def fill(rows: slice) -> None:
        close, high, low, volume = (_cut(fields.get(name), rows, first) for name in ("close", "high", "low", "volume"))
        lags = (windows.lookback, windows.momentum_long, windows.momentum_skip, windows.trend_window)
        fill_rows((close, high, low, volume), lags, scale, out[rows])

    each_chunk(fill, symbols, _CHUNK, threads)
    return {name: np.ascontiguousarray(out[:, k]) for k, name in enumerate(FEATURES)}


def _cut(values: FloatArray | None, rows: slice, first: int) -> FloatArray:
    """Return a fresh copy, since numba compiles again for a read-only or strided array; (0, 0) when there is none."""
    if values is None:
        return np.empty((0, 0))
    return np.array(values[rows, first:], dtype=np.float64, order="C")
