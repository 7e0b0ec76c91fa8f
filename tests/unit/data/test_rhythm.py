"""The sessions on which a decision is due, as the calendar knows them."""

from __future__ import annotations

from datetime import date

import pytest

from quantflow.config.sections import Rhythm
from quantflow.data.rhythm import following, latest

ANCHOR = date(2022, 11, 3)


@pytest.mark.parametrize(
    ("every", "session", "last", "then"),
    [
        ("monthly", "2022-11-29", None, "2022-11-30"),
        ("monthly", "2022-11-30", "2022-11-30", "2022-12-30"),
        ("monthly", "2022-12-29", "2022-11-30", "2022-12-30"),
        ("monthly", "2022-12-30", "2022-12-30", "2023-01-31"),
        ("weekly", "2022-11-25", "2022-11-25", "2022-12-02"),
        ("weekly", "2022-11-24", "2022-11-18", "2022-11-25"),
        ("quarterly", "2023-01-03", "2022-12-30", "2023-03-31"),
        ("daily", "2022-11-25", "2022-11-25", "2022-11-28"),
        (5, "2022-11-09", "2022-11-03", "2022-11-10"),
        (5, "2022-11-10", "2022-11-10", "2022-11-17"),
        (5, "2022-11-28", "2022-11-25", "2022-12-02"),
    ],
)
def test_what_was_due_and_what_will_be(every: Rhythm, session: str, last: str | None, then: str) -> None:
    """The last session of a week, month or quarter by the exchange's calendar, holidays and all; or every so many."""
    day = date.fromisoformat(session)
    assert latest(every, "XNYS", day, ANCHOR) == (date.fromisoformat(last) if last else None)
    assert following(every, "XNYS", day, ANCHOR) == date.fromisoformat(then)


def test_a_market_that_never_closes_ends_its_months_on_their_last_days() -> None:
    """Saturdays and Sundays too."""
    assert latest("monthly", "24/7", date(2022, 12, 31), ANCHOR) == date(2022, 12, 31)
    assert following("monthly", "24/7", date(2022, 12, 31), ANCHOR) == date(2023, 1, 31)
