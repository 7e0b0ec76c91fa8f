"""Symbols whose prices are those of another: a file that was saved twice, a name that was fetched under two symbols."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from quantflow.data.panel import FloatArray, Panel
from quantflow.data.quality.contracts import Finding, found

CHECK = "identical"
LEAST = 60
"""Sessions that two series must share; also how many closes, at their beginning or end, bring two together."""


def identical(panel: Panel) -> list[Finding]:
    """Return a finding for each symbol whose closes are those of an earlier one on all sessions that both have.

    Only series that begin, or end, with the same closes on the same sessions are compared, so that many symbols cost
    little. A series that never moves is like any other that does not, and is no copy.

    Args:
        panel: Prices, NaN = hole.
    """
    first: dict[bytes, int] = {}
    findings: list[Finding] = []
    for row, symbol in enumerate(panel.symbols):
        marks = list(_marks(panel.close[row]))
        twins = sorted({first[mark] for mark in marks if mark in first})
        shared = [(twin, _shared(panel.close[twin], panel.close[row])) for twin in twins]
        for twin, count in shared[:1] if shared and shared[0][1] else []:
            reason = f"its closes are those of {panel.symbols[twin]} on all {count} sessions that both have"
            findings.append(found(symbol, CHECK, (count, 0), reason, "warn"))
        for mark in marks:
            first.setdefault(mark, row)
    return findings


def _marks(close: FloatArray) -> Iterator[bytes]:
    """Return what tells the beginning and the end of a series from those of most others."""
    there = np.flatnonzero(~np.isnan(close))
    if len(there) < LEAST:
        return
    for part in (there[:LEAST], there[-LEAST:]):
        if (close[part] != close[part[0]]).any():
            yield hashlib.blake2b(part.tobytes() + close[part].tobytes(), digest_size=16).digest()


def _shared(one: FloatArray, other: FloatArray) -> int:
    """Return how many sessions two series have in common, if their closes are the same on all of them; else 0."""
    both = ~np.isnan(one) & ~np.isnan(other)
    return int(both.sum()) if (one[both] == other[both]).all() else 0
