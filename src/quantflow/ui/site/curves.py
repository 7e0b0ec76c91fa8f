"""Growth over time, in as many points as a screen can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from quantflow.data.position import Line
from quantflow.data.track import band
from quantflow.types import Json, Record
from quantflow.ui.notebook.runs import CURVES

if TYPE_CHECKING:
    import pandas as pd

MOST = 2600
"""Points of a curve: ten years of sessions; of a longer one every second, or third, and so on, and the last."""
FEW = 120
"""Points of a curve that is drawn as small as a word."""


def growth(stream: pd.DataFrame, most: int = MOST) -> Json:
    """Return the growth of 1 over a walk-forward, beside its benchmarks.

    Args:
        stream: Simple returns by session: ``net``, and those of ``CURVES`` that the run has.
        most: Points at most.

    Returns:
        ``dates``, ``series`` (values by label; null before a series begins) and ``every``: the sessions from point to
        point.
    """
    picked, every = _picked(len(stream), most)
    series = {
        label: _rounded((1.0 + stream[column].fillna(0.0)).cumprod().to_numpy()[picked])
        for column, label in CURVES.items()
        if column in stream
    }
    return {"dates": [str(day)[:10] for day in stream.index[picked]], "series": series, "every": every}


def small(curve: Record | None) -> list[float]:
    """Return the strategy's growth, as ``growth`` has it, in so few points that it can stand in a line of text."""
    values = curve["series"]["strategy"] if curve else []
    return [values[i] for i in _picked(len(values), FEW)[0]]


def tracked(lines: Sequence[Line], promise: Record) -> Json:
    """Return what a book has earned, in fractions, session by session, and the promised band where there is one.

    Args:
        lines: The track, oldest session first.
        promise: What ``data.track.promised`` returned.
    """
    net, pool = (np.array([getattr(line, name) for line in lines]) for name in ("net", "benchmark"))
    bands = [band(net[:number], pool[:number], promise) for number in range(1, len(lines) + 1)]
    return {
        "dates": [line.date for line in lines],
        "book": [each.growth for each in bands],
        "benchmark": [each.benchmark for each in bands],
        "low": [each.low for each in bands] if promise else None,
        "high": [each.high for each in bands] if promise else None,
        "outside": bands[-1].outside if bands else False,
    }


def _picked(count: int, most: int) -> tuple[npt.NDArray[np.int64], int]:
    every = max(1, -(-count // most))
    found = np.arange(count - 1, -1, -every)[::-1] if count else np.arange(0)
    return found, every


def _rounded(values: npt.NDArray[np.float64]) -> list[float]:
    """Return values with six digits: more than a pixel shows, in half the bytes."""
    return [float(f"{value:.6g}") for value in values]
