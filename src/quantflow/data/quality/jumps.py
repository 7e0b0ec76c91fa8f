"""Jumps of a close that stay, and are as large as a split or a change of units: likely not the market's.

What it sees: one close over the last one (at most ``FAR`` sessions before) near one of ``RATIOS`` or its inverse, and
large for this name: beyond a limit in median absolute deviations (MAD) of its log returns up to that session. A jump
that the next session takes back by half is a spike, which another check knows; one in the last session has had no time
to be taken back, and counts.

- How near is near depends on the name. A calm one, in which such a move is beyond ``SURE`` standard deviations, may
  have had a move of its own on the day of a split; a volatile one, which does move like that, must be a close fit.
- Where there is volume, a close that moves by up to three times on a multiple of the usual volume is news, such as
  earnings, and passes; one on the usual traded value, as after a split, or the usual volume need not fit so closely.
- Where there are a raw close and an adjusted one, an adjusted close that moves when the raw one does not is an
  adjustment gone wrong, whatever its ratio.

What it cannot see: a split below 3:2 or at a ratio not in the list; one in a name that moves so much every day; one on
a day whose own move hides the ratio, as for most volatile names without volume; one within the first ``KNOWN`` returns.
A real move of a calm name that happens to end at a ratio, without volume to tell it, is taken for a split.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from quantflow.data.panel import FloatArray

RATIOS: tuple[tuple[float, str], ...] = (
    (1.5, "3:2"),
    *((float(k), f"{k}:1") for k in (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 40, 50, 100, 1000)),
)
"""Ratios of splits, and how people write them; 100 and 1000 are changes of units too."""
UNITS = 100.0
FAR = 6
"""A close is compared with one at most so many sessions before: over a longer gap anything may have happened."""
KNOWN = 20
"""Fewest returns that tell how much a name moves."""
SURE = 25.0
"""Standard deviations beyond which a move is hardly a name's own."""
_LEAST_MAD = 5e-4
"""A name whose price hardly ever moves has a deviation of 0; this stands for it."""
_SIGMA = 1.4826
"""Standard deviations in one MAD, for normal returns."""
_USUAL = 20
"""Sessions that tell the usual volume."""
_BENT = math.log(1.2)
"""Least change of the adjustment that is not a dividend."""
_BAD_FACTOR = "the adjusted close moved and the close did not"


@dataclass(frozen=True)
class Jump:
    """One jump.

    Attributes:
        position: The session that closed after it.
        ratio: That close over the last one before.
        size: Its distance from 0 in MAD of the log returns known then.
        cause: What it looks like, in a few words.
        reverts: Whether the next session took half of it or more back.
    """

    position: int
    ratio: float
    size: float
    cause: str
    reverts: bool


def jumps(
    close: FloatArray, limit: float, volume: FloatArray | None = None, raw: FloatArray | None = None
) -> list[Jump]:
    """Return the jumps of one series, oldest first, those that revert too.

    A session is judged by what was known at its close, so a longer series only adds jumps, and says of the last one
    whether it reverts.

    Args:
        close: Adjusted closes, shape (T,), NaN = hole.
        limit: Least size in MAD.
        volume: Units, shape (T,); None where unknown.
        raw: Closes as they were traded, shape (T,); None where unknown.
    """
    bars = np.flatnonzero(np.isfinite(close) & (close > 0))
    if len(bars) <= KNOWN:
        return []
    steps = np.diff(np.log(close[bars]))
    bent = np.zeros(len(steps)) if raw is None else _bent(close[bars], raw[bars])
    large = np.flatnonzero((np.abs(steps) > math.log(1.4)) | (np.abs(bent) > _BENT))
    found = []
    for i in large[large >= KNOWN].tolist():
        step, known = float(steps[i]), steps[: i + 1]
        mad = max(float(np.median(np.abs(known - np.median(known)))), _LEAST_MAD)
        at, before = int(bars[i + 1]), int(bars[i])
        if abs(step) <= limit * mad or at - before > FAR or _takes_back(step, float(steps[i - 1])):
            continue
        if cause := _BAD_FACTOR if bent[i] else _cause(step, mad * _SIGMA, at, volume):
            reverts = i + 1 < len(steps) and _takes_back(float(steps[i + 1]), step)
            found.append(Jump(at, math.exp(step), abs(step) / mad, cause, reverts))
    return found


def _takes_back(step: float, before: float) -> bool:
    """Whether a step takes back half or more of the one before."""
    return abs(step + before) <= abs(before) / 2


def _bent(close: FloatArray, raw: FloatArray) -> FloatArray:
    """Return by how much the adjustment changes where the raw close hardly moves, in logs; 0 elsewhere."""
    known = np.isfinite(raw) & (raw > 0)
    factor = np.log(np.where(known, close / np.where(known, raw, 1.0), np.nan))
    change, moved = np.diff(factor), np.diff(np.log(np.where(known, raw, np.nan)))
    alone = (np.abs(change) > _BENT) & (np.abs(moved) < np.abs(change) / 3)
    return np.where(alone, change, 0.0)


def _cause(step: float, sigma: float, at: int, volume: FloatArray | None) -> str:
    """Return what a log return looks like, of a name that moves by *sigma* a session; empty when like the market."""
    surge = _surge(at, volume)
    if surge is not None and abs(step) < math.log(3.2) and surge > 3.0 * max(1.0, math.exp(-step)):
        return ""
    usual = surge is not None and any(0.5 < surge / units < 2.0 for units in (1.0, math.exp(-step)))
    sure = usual or abs(step) > SURE * sigma
    for ratio, words in RATIOS:
        if abs(abs(step) - math.log(ratio)) <= _slack(ratio, sigma, sure):
            if ratio >= UNITS:
                return "a change of units, such as pence for pounds"
            return f"a split of {words} left in" if step < 0 else f"a reverse split of {words} left in"
    return ""


def _slack(ratio: float, sigma: float, sure: bool) -> float:
    """Return how far, in logs, a move may be from a ratio; large moves are so rare that they need not fit closely."""
    if ratio > 3:
        return (0.06 if sure else 0.03) if ratio < 10 else (0.09 if sure else 0.06)
    least, most, units = (0.01, 0.025, 2.0) if ratio < 2 else (0.015, 0.035, 2.5)
    return min(max(units * sigma, least), most) if sure else least


def _surge(at: int, volume: FloatArray | None) -> float | None:
    """Return a session's volume over the usual one; None where that is not known."""
    if volume is None or not np.isfinite(volume[at]):
        return None
    before = volume[max(0, at - _USUAL) : at]
    before = before[np.isfinite(before)]
    usual = float(np.median(before)) if len(before) >= _USUAL // 2 else 0.0
    return float(volume[at]) / usual if usual > 0 else None
