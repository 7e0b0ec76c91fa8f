"""The compiled loops behind ``quantflow.quant.features``: one symbol, one row at a time.

All of them live in this one file because numba stamps its disk cache per file: a helper elsewhere could
change without the cached callers noticing. Sums run oldest first in plain IEEE arithmetic, so a row's values
do not depend on its neighbours, on the number of threads, or on how rows were grouped.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import config, njit

from quantflow.config.workspaces import cache_folder

FloatArray = npt.NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., object])

MIN_RETURNS = 20
"""Fewest observations of volatility, skewness, kurtosis, CVaR, efficiency, drawdown and liquidity."""
MIN_HURST = 128
"""Fewest returns of a Hurst exponent: block sizes 8, 16, 32 and 64."""
STALE = 5
"""A hole is filled by the last bar at most so many sessions older, where a feature wants one exact session."""
TAIL = 20
"""The CVaR averages the worst 1/20 (5 %) of returns, rounded up."""
ORDER = 5
"""Returns per ordinal pattern."""
PATTERNS = math.factorial(ORDER)
"""Ordinal patterns of that order, and the fewest windows that an entropy is estimated from."""
ADX_PERIOD = 14
"""Wilder's smoothing period, in bars."""
FLAT = 1e-12
"""A standard deviation below this (relative to 1 + |mean|) is the rounding of prices: the returns are constant."""
SMALLEST_BLOCK = 8
"""The smallest block of the rescaled-range analysis, in returns; each further size is the double."""


def expected_rescaled_range(size: int) -> float:
    """Return the expected R/S of *size* independent normal returns.

    Args:
        size: Returns per block, at least 2.

    Source:
        Anis & Lloyd (1976), with the population standard deviation as S.
    """
    steps = np.arange(1, size)
    gammas = math.exp(math.lgamma((size - 1) / 2) - math.lgamma(size / 2))
    return float(gammas / math.sqrt(math.pi) * np.sqrt((size - steps) / steps).sum())


_LOG_EXPECTED = np.log([expected_rescaled_range(SMALLEST_BLOCK << k) for k in range(9)])


def compiled(function: F) -> F:
    """Return *function* compiled on its first call, without the GIL.

    The machine code is kept in ``NUMBA_CACHE_DIR``, else in the user's cache folder; never beside the source, where an
    uninstalled package would leave it. Where neither can be written it is compiled again in each process.
    """
    with _machine_code_folder() as usable:
        try:
            return cast(F, njit(nogil=True, error_model="numpy", cache=usable)(function))
        except RuntimeError:
            return cast(F, njit(nogil=True, error_model="numpy")(function))


@contextmanager
def _machine_code_folder() -> Iterator[bool]:
    """Let numba keep what is decorated meanwhile in the right folder; yield whether that can be written."""
    given, own = config.CACHE_DIR, cache_folder()
    folder = given or ("" if own is None else str(own / "kernels"))
    config.CACHE_DIR = folder
    try:
        yield bool(folder) and _is_writable(folder)
    finally:
        config.CACHE_DIR = given


def _is_writable(folder: str) -> bool:
    try:
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


@compiled
def _is_bar(price: float) -> bool:
    return 0.0 < price < np.inf


@compiled
def _bar_at(close: FloatArray, index: int) -> float:
    for t in range(index, max(index - STALE, 0) - 1, -1):
        if _is_bar(close[t]):
            return float(close[t])
    return np.nan


@compiled
def _follow(close: FloatArray, first: int, returns: FloatArray, solid: FloatArray) -> tuple[int, float, float]:
    """Follow the closes from *first* on, across holes.

    Fills *returns* (NaN next to a hole) and *solid* (those that are defined, packed).

    Returns:
        How many returns are defined, the efficiency ratio, and the maximum drawdown.
    """
    count = moves = 0
    path = deepest = 0.0
    start = last = peak = before = close[first]
    for t in range(first + 1, close.size):
        now = close[t]
        change = now / before - 1.0 if _is_bar(now) and _is_bar(before) else np.nan
        returns[t - first - 1] = change
        if not math.isnan(change):
            solid[count] = change
            count += 1
        before = now
        if not _is_bar(now):
            continue
        if _is_bar(last):
            path += abs(now - last)
            peak = max(peak, now)
            deepest = max(deepest, 1.0 - now / peak)
            moves += 1
        else:
            start = peak = now
        last = now
    if moves < MIN_RETURNS:
        return count, np.nan, np.nan
    return count, abs(last - start) / path if path > 0.0 else np.nan, deepest


@compiled
def _moments(x: FloatArray, n: int) -> tuple[float, float, float]:
    """Return standard deviation (n - 1), skewness and excess kurtosis (both population) of ``x[:n]``."""
    if n < MIN_RETURNS:
        return np.nan, np.nan, np.nan
    mean = 0.0
    for k in range(n):
        mean += x[k]
    mean /= n
    m2 = m3 = m4 = 0.0
    for k in range(n):
        d = x[k] - mean
        square = d * d
        m2 += square
        m3 += square * d
        m4 += square * square
    variance = m2 / n
    if math.sqrt(variance) <= FLAT * (1.0 + abs(mean)):
        return 0.0, np.nan, np.nan
    return math.sqrt(m2 / (n - 1)), m3 / n / variance**1.5, m4 / n / variance**2 - 3.0


@compiled
def _select(x: FloatArray, k: int) -> None:
    """Reorder *x* so that nothing before position *k* is larger and nothing after it smaller.

    Quickselect (Hoare 1961) that swaps without branching; a pivot that is the smallest value takes its equals along.
    """
    low, high = 0, x.size
    while high - low > 1:
        a, b, c = x[low], x[(low + high) // 2], x[high - 1]
        pivot = max(min(a, b), min(max(a, b), c))
        split = low
        for i in range(low, high):
            value = x[i]
            x[i] = x[split]
            x[split] = value
            split += int(value < pivot)
        if split > low:
            low, high = (low, split) if k < split else (split, high)
            continue
        for i in range(low, high):
            value = x[i]
            x[i] = x[split]
            x[split] = value
            split += int(value == pivot)
        if k < split:
            return
        low = split


@compiled
def _expected_shortfall(x: FloatArray, n: int, scratch: FloatArray) -> float:
    if n < MIN_RETURNS:
        return np.nan
    for k in range(n):
        scratch[k] = x[k]
    worst = (n + TAIL - 1) // TAIL
    _select(scratch[:n], worst - 1)
    total = 0.0
    for k in range(worst):
        total += scratch[k]
    return -total / worst


@compiled
def _median_traded_value(
    close: FloatArray, traded: FloatArray, volume: FloatArray, first: int, scratch: FloatArray
) -> float:
    n = 0
    for t in range(first, close.size):
        if _is_bar(close[t]) and 0.0 <= volume[t] < np.inf:
            scratch[n] = (traded[t] if _is_bar(traded[t]) else close[t]) * volume[t]
            n += 1
    if n < MIN_RETURNS:
        return np.nan
    middle = (n - 1) // 2
    _select(scratch[:n], middle)
    if n % 2:
        return float(scratch[middle])
    upper = float(scratch[middle + 1])
    for k in range(middle + 2, n):
        upper = min(upper, scratch[k])
    return float(scratch[middle] + upper) / 2.0


@compiled
def _permutation_entropy(returns: FloatArray) -> float:
    """Return the normalised entropy of the ordinal patterns that touch no hole.

    A pattern's code counts, for each of its values, the earlier ones that exceed it (a Lehmer code): a tie
    counts as in order of time. A value's count is known when it enters, so that the code of the window that
    ends here is the part that ended one step earlier plus one new digit.
    """
    counts = np.zeros(PATTERNS, np.int64)
    total = run = 0
    code2 = code3 = code4 = 0
    x1 = x2 = x3 = x4 = np.nan
    for x in returns:
        above1 = int(x1 > x)
        above2 = above1 + int(x2 > x)
        above3 = above2 + int(x3 > x)
        code5 = code4 + 24 * (above3 + int(x4 > x))
        code4 = code3 + 6 * above3
        code3 = code2 + 2 * above2
        code2 = above1
        run = 0 if math.isnan(x) else run + 1
        if run >= ORDER:
            counts[code5] += 1
            total += 1
        x1, x2, x3, x4 = x, x1, x2, x3
    if total < PATTERNS:
        return np.nan
    entropy = 0.0
    for count in counts:
        if count > 0:
            entropy -= count / total * math.log(count / total)
    return entropy / math.log(PATTERNS)


@compiled
def _rescaled_range(x: FloatArray, first: int, stop: int) -> float:
    """Return R/S of ``x[first:stop]``; NaN when it is flat."""
    mean = 0.0
    for k in range(first, stop):
        mean += x[k]
    mean /= stop - first
    walk = high = low = squares = 0.0
    for k in range(first, stop):
        d = x[k] - mean
        walk += d
        squares += d * d
        high = max(high, walk)
        low = min(low, walk)
    deviation = math.sqrt(squares / (stop - first))
    return (high - low) / deviation if deviation > FLAT * (1.0 + abs(mean)) else np.nan


@compiled
def _hurst(x: FloatArray, n: int) -> float:
    """Return 1/2 plus the slope of ln(mean R/S / expected R/S) on ln(block size), blocks laid from the newest back."""
    if n < MIN_HURST:
        return np.nan
    sizes = sum_x = sum_y = sum_xx = sum_xy = 0.0
    for k in range(_LOG_EXPECTED.size):
        size = SMALLEST_BLOCK << k
        total, blocks = 0.0, 0
        for b in range(n // size if 2 * size <= n else 0):
            ratio = _rescaled_range(x, n - (b + 1) * size, n - b * size)
            if ratio > 0.0:
                total += ratio
                blocks += 1
        if blocks > 0:
            log_size, excess = math.log(size), math.log(total / blocks) - _LOG_EXPECTED[k]
            sizes += 1.0
            sum_x += log_size
            sum_y += excess
            sum_xx += log_size * log_size
            sum_xy += log_size * excess
    if sizes < 3.0:
        return np.nan
    return 0.5 + (sizes * sum_xy - sum_x * sum_y) / (sizes * sum_xx - sum_x * sum_x)


@compiled
def _trend(close: FloatArray, window: int) -> float:
    total = 0.0
    bars = 0
    for t in range(max(close.size - window, 0), close.size):
        if _is_bar(close[t]):
            total += close[t]
            bars += 1
    if 4 * bars < 3 * window:
        return np.nan
    return _bar_at(close, close.size - 1) / (total / bars) - 1.0


@compiled
def _adx(close: FloatArray, high: FloatArray, low: FloatArray, first: int) -> float:
    """Return Wilder's ADX after the last bar that has a high, a low and a close; a hole joins its neighbours.

    The true range divides both directional indicators, so that it cancels in their ratio and is not computed.
    """
    up = down = adx = 0.0
    bars = 0
    last = -1
    for t in range(first, close.size):
        if not (_is_bar(close[t]) and _is_bar(high[t]) and _is_bar(low[t])):
            continue
        if bars > 0:
            keep = 1.0 if bars <= ADX_PERIOD else 1.0 - 1.0 / ADX_PERIOD
            rise, fall = high[t] - high[last], low[last] - low[t]
            up = up * keep + (rise if rise > fall and rise > 0.0 else 0.0)
            down = down * keep + (fall if fall > rise and fall > 0.0 else 0.0)
        if bars >= ADX_PERIOD:
            dx = 100.0 * abs(up - down) / (up + down) if up + down > 0.0 else 0.0
            adx += (dx - adx) * (1.0 / min(bars - ADX_PERIOD + 1, ADX_PERIOD))
        bars += 1
        last = t
    return adx if bars >= 2 * ADX_PERIOD and last >= close.size - 1 - STALE else np.nan


KERNEL_COLUMNS = (
    *("momentum", "volatility", "skewness", "kurtosis", "cvar", "entropy"),
    *("efficiency", "hurst", "drawdown", "liquidity", "trend", "adx", "observations"),
)
"""The features that ``fill_rows`` makes, in the order of its columns."""


@compiled
def fill_rows(
    bars: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray],
    windows: tuple[int, int, int, int],
    scale: float,
    out: FloatArray,
) -> None:
    """Fill one row of features per symbol, in the order of ``KERNEL_COLUMNS``.

    Args:
        bars: Close, high, low, volume and raw close, each C-contiguous (n, T), oldest first; the last four may be of
            shape (n, 0) where the market has none.
        windows: Lookback, momentum's long and short lag, and the trend's average, in sessions.
        scale: What the standard deviation per session is multiplied by to annualise it.
        out: Where to write, shape (n, 13).
    """
    close, high, low, volume, raw = bars
    lookback, long, skip, average = windows
    symbols, sessions = close.shape
    first = max(sessions - 1 - lookback, 0)
    returns = np.empty(max(sessions - 1 - first, 0))
    solid, scratch = np.empty(returns.size), np.empty(returns.size + 1)
    for i in range(symbols):
        row, values = close[i], out[i]
        values[:] = np.nan
        n, values[6], values[8] = _follow(row, first, returns, solid)
        values[12] = n
        deviation, skewness, kurtosis = _moments(solid, n)
        values[0] = _bar_at(row, sessions - 1 - skip) / _bar_at(row, sessions - 1 - long) - 1.0
        values[1], values[2], values[3] = deviation * scale, skewness, kurtosis
        values[4] = _expected_shortfall(solid, n, scratch)
        values[10] = _trend(row, average)
        if deviation > 0.0:
            values[5] = _permutation_entropy(returns)
            values[7] = _hurst(solid, n)
        if volume.shape[1] > 0:
            traded = raw[i] if raw.shape[1] > 0 else row
            values[9] = _median_traded_value(row, traded, volume[i], max(sessions - lookback, 0), scratch)
        if high.shape[1] > 0 and low.shape[1] > 0:
            values[11] = _adx(row, high[i], low[i], first)
