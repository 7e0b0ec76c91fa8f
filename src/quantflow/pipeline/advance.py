"""How far a stage has come: what is done of all, how fast, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from quantflow.pipeline.stage import note

T = TypeVar("T")
SURE_SECONDS = 1.0
"""No rate is said of less time: it would jump."""


class Advance:
    """Says how far a stage has come each time that it has come further.

    Args:
        total: How many there are.
        unit: What they are, in the plural.
        clock: A time in seconds that never goes back.
    """

    def __init__(self, total: int, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._unit, self._clock = total, unit, clock
        self._began = clock()

    def to(self, done: int) -> None:
        """Note that *done* of all are done."""
        note(f"{done:,} / {self._total:,} {self._unit}{self._left(done)}")

    def _left(self, done: int) -> str:
        seconds = self._clock() - self._began
        if seconds < SURE_SECONDS or not 0 < done < self._total:
            return ""
        return f", {done / seconds:.3g} a second, about {duration(seconds / done * (self._total - done))} left"


def counted(items: Sequence[T], unit: str) -> Iterator[T]:
    """Yield *items*, and note how many are done each time that the next is asked for."""
    advance = Advance(len(items), unit)
    for done, item in enumerate(items):
        advance.to(done)
        yield item


def duration(seconds: float) -> str:
    """Return a time as ``1:05`` or ``2:00:30``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
