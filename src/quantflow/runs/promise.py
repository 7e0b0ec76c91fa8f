"""What a walk-forward promises of the track that follows it, as a band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from quantflow.data.position import Line
from quantflow.runs.run import Run

WIDTH = 1.96
"""Standard deviations to either side: 95 % of normal log returns."""


def promised(run: Run) -> dict[str, float]:
    """Return ``mean`` and ``deviation`` of the walk-forward's log returns per session, after costs.

    A run without a walk-forward promises nothing: the mapping is empty.
    """
    if "oos_returns" not in run.outputs:
        return {}
    net = run.load("oos_returns")["net"].to_numpy(dtype=float)
    logs = np.log1p(net[net > -1.0])
    return {"mean": float(logs.mean()), "deviation": float(logs.std(ddof=1))} if len(logs) > 1 else {}


@dataclass(frozen=True)
class Band:
    """A track beside what was promised.

    Attributes:
        sessions: Sessions of the track.
        growth: What the book earned over them after costs, as a fraction.
        benchmark: What the benchmark earned over them.
        low, high: The band in which 95 of 100 such tracks would be, had the returns the walk-forward's mean and
            deviation and were they independent; None when nothing was promised.
    """

    sessions: int
    growth: float
    benchmark: float
    low: float | None
    high: float | None

    @property
    def outside(self) -> bool:
        """Whether the track is outside the band."""
        return self.low is not None and self.high is not None and not self.low <= self.growth <= self.high


def band(lines: Sequence[Line], promise: Mapping[str, float]) -> Band | None:
    """Return a track beside what was promised; None for one without a session."""
    if not lines:
        return None
    count = len(lines)
    growth, benchmark = (
        float(np.prod([1.0 + value for value in values]) - 1.0)
        for values in ([line.net for line in lines], [line.benchmark for line in lines])
    )
    if not promise:
        return Band(count, growth, benchmark, None, None)
    middle, half = count * promise["mean"], WIDTH * promise["deviation"] * sqrt(count)
    return Band(count, growth, benchmark, exp(middle - half) - 1.0, exp(middle + half) - 1.0)
