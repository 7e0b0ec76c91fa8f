"""Scales of charts: round ticks, dates, and long series cut to what a screen can show."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Format = Callable[[float, int], str]


@dataclass(frozen=True)
class Axis:
    """A value axis.

    Attributes:
        low: Value at its bottom.
        high: Value at its top, above ``low``.
        ticks: Value and label of each tick, rising.
        log: Whether equal distances are equal ratios.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def at(self, values: FloatArray | float) -> FloatArray:
        """Return where *values* lie, 0 at the bottom and 1 at the top."""
        given = np.asarray(values, dtype=np.float64)
        if self.log:
            span = math.log(self.high / self.low)
            return np.asarray(np.log(np.maximum(given, 1e-300) / self.low) / span)
        return np.asarray((given - self.low) / (self.high - self.low))


def finite_range(values: FloatArray, *also: float) -> tuple[float, float]:
    """Return the lowest and highest finite one of *values* and *also*; (0, 1) if there is none."""
    every = np.concatenate([np.ravel(values), np.asarray(also, dtype=np.float64)])
    every = every[np.isfinite(every)]
    return (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)


NO_WIDTH = 1e-12
"""What is narrower than this is drawn as a point: no label could tell its ends apart."""


def _widened(low: float, high: float) -> tuple[float, float]:
    size = max(abs(low), abs(high))
    if high - low > max(1e-9 * size, NO_WIDTH):
        return low, high
    pad = 0.05 * size if size > NO_WIDTH else 0.5
    return low - pad, high + pad


def linear_axis(low: float, high: float, write: Format, count: int = 5) -> Axis:
    """Return an axis over [*low*, *high*], widened to round ticks at 1, 2 or 5 times a power of ten.

    Args:
        low: Lowest value, finite.
        high: Highest value, finite; a range without width is widened.
        write: Turns a tick and the decimals that its step needs into a label.
        count: About how many steps.
    """
    low, high = _widened(low, high)
    step, decimals = round_step((high - low) / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple((i * step, write(i * step, decimals)) for i in range(first, last + 1))
    return Axis(first * step, last * step, ticks)


def round_step(rough: float) -> tuple[float, int]:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below *rough*, and its decimals."""
    power = math.floor(math.log10(rough))
    for power_, mantissa in ((power, 1), (power, 2), (power, 5), (power + 1, 1)):
        step = mantissa * 10.0**power_
        if step >= rough * (1 - 1e-9):
            return step, max(0, -power_)
    raise AssertionError("a number lies between two powers of ten")


def log_axis(low: float, high: float, write: Format, count: int = 7) -> Axis:
    """Return a logarithmic axis over [*low*, *high*], both positive, *high* at least twice *low*.

    Ticks are a few round multiples of each power of ten, or powers of ten, or every n-th of those: the most that
    *count* allows.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    choices = [[(m, p) for p in powers for m in mantissas] for mantissas in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5))]
    choices += [[(1, p) for p in powers if p % every == 0] for every in (1, 2, 5, 10, 20, 50, 100)]
    for choice in choices:
        ticks = [(m * 10.0**p, max(0, (m == 1.5) - p)) for m, p in choice if low * 0.99 <= m * 10.0**p <= high * 1.01]
        if len(ticks) <= count:
            break
    return Axis(low / 1.02, high * 1.02, tuple((value, write(value, digits)) for value, digits in ticks), log=True)


def date_ticks(dates: npt.NDArray[np.datetime64], count: int = 7) -> list[tuple[float, str]]:
    """Return at most *count* round dates within *dates* as (place from 0 to 1, ISO label).

    Years (every 1, 2, 5, 10, 20, 50), else months (every 1, 2, 3, 6), else days of a span below two months.
    """
    first, last = dates.astype("datetime64[D]")[[0, -1]]
    span = int((last - first).astype(int))
    if span == 0:
        return [(0.5, str(first))]
    marks = _month_starts(first, last, count) if span > 60 else _days(first, span, count)
    return [(float((mark - first).astype(int)) / span, label) for mark, label in marks]


def _days(first: np.datetime64, span: int, count: int) -> list[tuple[np.datetime64, str]]:
    step = next(s for s in (1, 2, 5, 10, 20) if span // s < count)
    return [(first + i, str(first + i)[5:]) for i in range(0, span + 1, step)]


def _month_starts(first: np.datetime64, last: np.datetime64, count: int) -> list[tuple[np.datetime64, str]]:
    months = np.arange(first.astype("datetime64[M]"), last.astype("datetime64[M]") + 1)
    months = months[months.astype("datetime64[D]") >= first]
    numbers = months.astype(int) + 1970 * 12
    for step in (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 6000):
        kept = months[numbers % step == 0]
        if len(kept) <= count:
            width = 4 if step >= 12 else 7
            return [(m.astype("datetime64[D]"), str(m)[:width]) for m in kept]
    raise AssertionError("dates are within numpy's years")


def thinned(values: FloatArray, limit: int = 800) -> npt.NDArray[np.intp]:
    """Return the positions of at most *limit* points that keep a line's shape.

    First and last stay, and between them the lowest and highest point of equal slices, so no spike is lost.

    Args:
        values: A series without NaN, shape (n,).
        limit: At least 4.
    """
    n = len(values)
    if n <= limit:
        return np.arange(n)
    slices = np.linspace(1, n - 1, (limit - 2) // 2 + 1).astype(int)
    kept = {0, n - 1}
    for start, stop in pairwise(slices):
        part = values[start:stop]
        kept |= {start + int(part.argmin()), start + int(part.argmax())}
    return np.array(sorted(kept), dtype=np.intp)
