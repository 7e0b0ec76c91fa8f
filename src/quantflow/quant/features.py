"""Features: numbers per symbol, from its bars up to the last session. ``quantflow.config.features`` defines each.

Every value depends on its own symbol's bars only, and on nothing older than ``FeatureWindows.sessions``.
A bar whose price is not positive and finite is a hole. A return next to a hole is undefined and left out; prices
are followed across a hole. Prices may be in any unit: only ``liquidity`` has one. Its price is the raw close, at which
the volume was traded; where there is none, the close.

All but momentum and trend look at the last ``lookback`` sessions, each with its return from the session before.

Entropy: ties count as in order of time, patterns that touch a hole are skipped; below some 600 patterns it is biased
low. Hurst: on blocks of 8, 16, ... up to half the returns, with the expectation of Anis & Lloyd divided out. ADX: a
bar without any directional movement counts as 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from quantflow.config.features import FEATURES
from quantflow.quant.chunks import each_chunk
from quantflow.quant.kernels import KERNEL_COLUMNS, STALE, FloatArray, fill_rows

FIELDS = ("close", "high", "low", "volume", "raw_close")
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


Bars = Mapping[str, FloatArray]
"""Close, high, low, volume and raw close of N symbols, shape (N, ``FeatureWindows.sessions``) each, the last session at
the end; NaN where a bar is missing, also before the first one."""
Column = Callable[[Bars, FeatureWindows], FloatArray]
"""A feature in numpy: given bars and windows, returns one value per symbol, shape (N,)."""

COLUMNS: Mapping[str, Column] = {}
"""The features that no compiled loop makes (``KERNEL_COLUMNS``), by name."""


def compute(
    fields: Mapping[str, FloatArray], windows: FeatureWindows, annualisation: int, threads: int | None = None
) -> dict[str, FloatArray]:
    """Return the features of N symbols at the last session.

    Args:
        fields: ``close``, and ``high``, ``low``, ``volume``, ``raw_close`` where they exist: float64, shape (N, T),
            oldest first; NaN is a hole.
        windows: How far back to look.
        annualisation: Sessions per year; scales the volatility by its square root.
        threads: Threads to spread more than 128 symbols over; as many as cores when None. The values are the
            same bytes for any number.

    Returns:
        One float64 array of shape (N,) per feature, in the order of the table.
    """
    symbols, sessions = fields["close"].shape
    out = np.empty((symbols, len(KERNEL_COLUMNS)))
    first = max(sessions - windows.sessions, 0)
    scale = math.sqrt(annualisation)

    def fill(rows: slice) -> None:
        close, high, low, volume, raw = (_cut(fields.get(name), rows, first) for name in FIELDS)
        lags = (windows.lookback, windows.momentum_long, windows.momentum_skip, windows.trend_window)
        fill_rows((close, high, low, volume, raw), lags, scale, out[rows])

    each_chunk(fill, symbols, _CHUNK, threads)
    columns = {name: np.ascontiguousarray(out[:, k]) for k, name in enumerate(KERNEL_COLUMNS)}
    bars = {name: _window(fields.get(name), symbols, windows.sessions) for name in FIELDS} if COLUMNS else {}
    columns |= {name: column(bars, windows) for name, column in COLUMNS.items()}
    return {name: columns[name] for name in FEATURES}


def _window(values: FloatArray | None, symbols: int, sessions: int) -> FloatArray:
    """Return the latest sessions of a field, NaN where a bar is missing."""
    window = np.full((symbols, sessions), np.nan)
    if values is not None and (known := min(sessions, values.shape[1])):
        latest = values[:, -known:]
        window[:, -known:] = np.where(np.isfinite(latest) & (latest > 0.0), latest, np.nan)
    return window


def _cut(values: FloatArray | None, rows: slice, first: int) -> FloatArray:
    """Return a fresh copy, since numba compiles again for a read-only or strided array; (0, 0) when there is none."""
    if values is None:
        return np.empty((0, 0))
    return np.array(values[rows, first:], dtype=np.float64, order="C")
