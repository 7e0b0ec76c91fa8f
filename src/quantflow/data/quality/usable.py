"""Which symbols may be used at a session, judged by what was known at its close.

A symbol may be used where it has a bar, is a member, and its series up to that session passes every check whose breach
does more than warn. For the last session that is what ``contracts.judge_panel`` finds. Nothing later
matters: a series that is cut after a session is judged the same there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from quantflow.config.data import DataConfig
from quantflow.data.panel import FloatArray, Panel
from quantflow.data.quality.contracts import jumps_of, largest_spike
from quantflow.data.quality.jumps import Jump
from quantflow.data.quality.roster import members

if TYPE_CHECKING:
    import pandas as pd

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


def usable(panel: Panel, positions: IntArray, config: DataConfig, roster: pd.DataFrame | None = None) -> BoolArray:
    """Return whether each symbol may be used at each of some sessions, shape (K, N).

    Args:
        panel: Prices of N symbols, NaN = hole.
        positions: K sessions of the panel, increasing.
        config: The limits, and what a breach of each does.
        roster: Who is a member when; all always when None.
    """
    able = np.zeros((len(positions), len(panel.symbols)), dtype=bool)
    for row, symbol in enumerate(panel.symbols):
        fields = {name: values[row] for name, values in panel.fields.items()}
        able[:, row] = _usable(fields["close"], positions, config)
        if config.on_jump not in _HARMLESS:
            able[:, row] &= _without_jumps(jumps_of(symbol, panel.sessions, fields, config), positions, fields["close"])
    if roster is not None:
        able &= members(roster, panel.symbols, panel.sessions[positions])
    return able


def _usable(close: FloatArray, positions: IntArray, config: DataConfig) -> BoolArray:
    there = ~np.isnan(close)
    bars = np.flatnonzero(there)
    able: BoolArray = there[positions]
    if not len(bars):
        return able
    last = np.maximum(np.cumsum(there)[positions] - 1, 0)  # which of the bars is the latest at each position
    able &= (_complete(bars, config) & _moving(close[bars], config))[last]
    if config.on_spike not in _HARMLESS:
        able[able] = _without_spikes(close[bars], last[able] + 1, config.spike_mad)
    return able


_HARMLESS = ("warn", "hold")
"""Actions that leave a symbol where it is."""


def _complete(bars: IntArray, config: DataConfig) -> BoolArray:
    """Return whether history, gap and holes pass at each bar, which is the latest then."""
    count, span = np.arange(1, len(bars) + 1), bars - bars[0] + 1
    passes = np.ones(len(bars), dtype=bool)
    if config.on_history not in _HARMLESS:
        passes &= count >= config.min_sessions
    if config.on_gap not in _HARMLESS:
        passes &= np.maximum.accumulate(np.diff(bars, prepend=bars[0] - 1)) - 1 <= config.max_gap
        passes &= (span - count) / span <= config.max_holes
    return passes


def _moving(close: FloatArray, config: DataConfig) -> BoolArray:
    """Return whether stale and tail pass at each bar."""
    flat = np.diff(close, prepend=np.nan) == 0
    order = np.arange(len(close))
    still = order - np.maximum.accumulate(np.where(flat, 0, order))  # unchanged bars that end here
    passes = np.ones(len(close), dtype=bool)
    if config.on_stale not in _HARMLESS:
        passes &= np.maximum.accumulate(still) <= config.max_stale
    if config.on_tail not in _HARMLESS:
        passes &= still <= config.max_tail
    return passes


def _without_spikes(close: FloatArray, counts: IntArray, limit: float) -> BoolArray:
    """Return whether the first closes have no spike, for each of *counts*.

    A spike beyond the limit leaves at least half of the returns nearer to the median than the limit's part of it: only
    where they are, which is seldom, the deviation is worked out.
    """
    passes = np.ones(len(counts), dtype=bool)
    steps = np.diff(np.log(np.where(close > 0, close, np.nan)))
    reverts = np.abs(steps[1:] + steps[:-1]) <= np.abs(steps[:-1]) / 2
    for k, count in enumerate(counts.tolist()):
        known, back = steps[: count - 1], reverts[: max(count - 2, 0)]
        if not back.any():
            continue
        middle = (len(known) - 1) // 2, len(known) // 2
        away = np.abs(known - np.partition(known, middle)[list(middle)].mean())
        near = float((away[:-1] * back).max()) / limit * (1 + 1e-9)
        if np.count_nonzero(away <= near) >= len(known) // 2:
            passes[k] = largest_spike(close[:count]) <= limit
    return passes


def _without_jumps(found: Sequence[Jump], positions: IntArray, close: FloatArray) -> BoolArray:
    """Return whether no jump has happened by each position; one that is taken back counts up to the bar before that."""
    passes = np.ones(len(positions), dtype=bool)
    for jump in found:
        later = np.flatnonzero(~np.isnan(close[jump.position + 1 :]))
        until = jump.position + 1 + int(later[0]) if jump.reverts else len(close)
        passes &= (positions < jump.position) | (positions >= until)
    return passes
