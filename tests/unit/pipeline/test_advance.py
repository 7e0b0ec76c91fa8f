"""How far a stage has come."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantflow.pipeline.advance import Advance, counted, duration
from quantflow.pipeline.stage import note_sink


@pytest.fixture
def notes() -> Iterator[list[str]]:
    """What is noted."""
    found: list[str] = []
    token = note_sink.set(found.append)
    yield found
    note_sink.reset(token)


def test_done_all_rate_and_time_left(notes: list[str]) -> None:
    """A rate is said once it is known, and no time is left at the end."""
    times = iter([0.0, 0.5, 10.0, 20.0])
    advance = Advance(4000, "symbols", clock=lambda: next(times))
    for done in (100, 1000, 4000):
        advance.to(done)
    assert notes == [
        "100 / 4,000 symbols",
        "1,000 / 4,000 symbols, 100 a second, about 0:30 left",
        "4,000 / 4,000 symbols",
    ]


def test_items_are_counted_as_they_are_done(notes: list[str]) -> None:
    """What is noted is how many are done, not how many have begun."""
    assert list(counted(["a", "b"], "rebalances")) == ["a", "b"]
    assert notes == ["0 / 2 rebalances", "1 / 2 rebalances"]


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "0:05"), (65, "1:05"), (7230, "2:00:30")])
def test_times_are_read_at_a_glance(seconds: float, text: str) -> None:
    """Minutes and seconds, hours where there are any."""
    assert duration(seconds) == text
