"""The track of a book: a line per session, each chained by a hash to the one before; and what was promised of it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from math import exp, sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quantflow.data.position import Line
from quantflow.errors import IntegrityError

FloatArray = npt.NDArray[np.float64]

WIDTH = 1.96
"""Standard deviations to either side of what was promised: 95 % of normal log returns."""
COLUMNS = (*(field.name for field in fields(Line)), "chain")


def text_of(lines: Sequence[Line]) -> str:
    """Return a track as CSV; floats are written in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    chain = ""
    for line in lines:
        chain = _chained(chain, line)
        writer.writerow((*(str(value) for value in astuple(line)), chain))
    return out.getvalue()


def _chained(before: str, line: Line) -> str:
    text = ",".join([before, *(str(value) for value in astuple(line))])
    return hashlib.sha256(text.encode()).hexdigest()


def lines_of(text: str, place: Path) -> list[Line]:
    """Return the track that ``text_of`` wrote, oldest session first.

    Args:
        text: The CSV.
        place: Its file, for the error.

    Raises:
        IntegrityError: If a line was changed, added or taken out since it was written.
    """
    lines: list[Line] = []
    chain = ""
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), 2):
        try:
            numbers = {name: float(row[name]) for name in COLUMNS[1:6]}
            line = Line(date=row["date"], run_id=row["run_id"], **numbers)
        except (KeyError, TypeError, ValueError) as error:
            raise _altered(place, number) from error
        chain = _chained(chain, line)
        if chain != row["chain"]:
            raise _altered(place, number)
        lines.append(line)
    return lines


def _altered(place: Path, number: int) -> IntegrityError:
    return IntegrityError(
        f"Line {number} of {place} is not what was written there.",
        hint=f"Put the file back from a copy; or move {place.parent} away, and another track begins.",
    )


def promised(net: FloatArray) -> dict[str, float]:
    """Return ``mean`` and ``deviation`` of the log returns of a walk-forward; empty for fewer than two.

    Args:
        net: Simple returns per session, after costs.
    """
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


def band(net: FloatArray, benchmark: FloatArray, promise: Mapping[str, float]) -> Band:
    """Return a track beside what was promised.

    Args:
        net: Simple returns of the book after costs, shape (S,).
        benchmark: Those of its benchmark.
        promise: What ``promised`` returned.
    """
    count = len(net)
    growth, pool = (float(np.prod(1.0 + values) - 1.0) for values in (net, benchmark))
    if not promise:
        return Band(count, growth, pool, None, None)
    middle, half = count * promise["mean"], WIDTH * promise["deviation"] * sqrt(count)
    return Band(count, growth, pool, exp(middle - half) - 1.0, exp(middle + half) - 1.0)
