"""Sessions, the last completed one, and the as-of that a run may see."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from quantflow.config.calendar import CalendarConfig
from quantflow.data import calendars
from quantflow.data.calendars import as_date, last_completed, resolve_as_of, sessions
from quantflow.errors import ConfigError

NYSE, ALWAYS = CalendarConfig(), CalendarConfig(name="24/7")
FRIDAY_EVENING = datetime(2024, 1, 5, 22, 0, tzinfo=UTC)


def test_annualisation_follows_the_calendar() -> None:
    """Every day a session means 365 a year, an exchange 252."""
    assert (NYSE.annualisation, ALWAYS.annualisation) == (252, 365)


def test_exchange_sessions_leave_out_weekends_and_holidays() -> None:
    """Christmas 2023 (a Monday), its weekend and New Year are no sessions in New York."""
    got = sessions("XNYS", date(2023, 12, 22), date(2024, 1, 2))
    expected = ["2023-12-22", "2023-12-26", "2023-12-27", "2023-12-28", "2023-12-29", "2024-01-02"]
    assert [str(day) for day in got] == expected
    assert got.dtype == np.dtype("datetime64[D]")


def test_a_range_without_sessions_is_empty() -> None:
    """A weekend, and a range that ends before it begins, have no sessions."""
    assert len(sessions("XNYS", date(2024, 1, 6), date(2024, 1, 7))) == 0
    assert len(sessions("XNYS", date(2024, 1, 7), date(2024, 1, 2))) == 0
    assert len(sessions("24/7", date(2024, 1, 7), date(2024, 1, 6))) == 0


@given(st.dates(date(1950, 1, 1), date(2050, 1, 1)), st.integers(0, 400))
@settings(max_examples=40)
def test_always_open_means_every_day(start: date, days: int) -> None:
    """24/7 has every day from start to end, both included."""
    got = sessions("24/7", start, start + timedelta(days=days))
    assert got.astype(object).tolist() == [start + timedelta(days=i) for i in range(days + 1)]


@pytest.mark.parametrize(
    ("name", "now", "expected"),
    [
        ("XNYS", datetime(2024, 1, 5, 20, 59, tzinfo=UTC), date(2024, 1, 4)),
        ("XNYS", datetime(2024, 1, 5, 21, 0, tzinfo=UTC), date(2024, 1, 5)),
        ("XNYS", datetime(2024, 1, 7, 12, 0, tzinfo=UTC), date(2024, 1, 5)),
        ("XNYS", datetime(2024, 7, 3, 17, 1, tzinfo=UTC), date(2024, 7, 3)),
        ("XNYS", datetime(2024, 1, 6, 5, 0, tzinfo=timezone(timedelta(hours=9))), date(2024, 1, 4)),
        ("XASX", datetime(2024, 1, 5, 5, 30, tzinfo=UTC), date(2024, 1, 5)),
        ("24/7", datetime(2024, 1, 5, 23, 59, tzinfo=UTC), date(2024, 1, 4)),
        ("24/7", datetime(2024, 1, 6, 0, 0, tzinfo=UTC), date(2024, 1, 5)),
    ],
)
def test_a_session_is_completed_at_its_close(name: str, now: datetime, expected: date) -> None:
    """The last completed session changes with the minute of the close, early closes and time zones included."""
    assert last_completed(name, now) == expected


def test_now_needs_a_time_zone() -> None:
    """A naive clock is a programming error, not a guess."""
    with pytest.raises(ValueError, match="time zone"):
        last_completed("XNYS", datetime(2024, 1, 5))


@pytest.mark.parametrize(
    ("calendar", "last", "asked", "expected"),
    [
        (NYSE, None, None, date(2024, 1, 5)),
        (NYSE, date(2022, 12, 28), None, date(2022, 12, 28)),
        (NYSE, date(2022, 12, 25), None, date(2022, 12, 23)),
        (NYSE, None, date(2024, 1, 1), date(2023, 12, 29)),
        (NYSE, None, date(2023, 12, 28), date(2023, 12, 28)),
        (NYSE, date(2022, 12, 30), date(2023, 1, 1), date(2022, 12, 30)),
        (ALWAYS, None, None, date(2024, 1, 4)),
        (ALWAYS, None, date(2024, 1, 1), date(2024, 1, 1)),
    ],
)
def test_as_of_is_a_completed_session(
    calendar: CalendarConfig, last: date | None, asked: date | None, expected: date
) -> None:
    """Without a wish it is the last session that is over and provided; a day off means the session before."""
    assert resolve_as_of(calendar, last, asked, FRIDAY_EVENING) == expected


@pytest.mark.parametrize(
    ("calendar", "last", "asked", "part"),
    [
        (NYSE, None, date(2024, 1, 8), "is not over: the last completed session of XNYS is 2024-01-05"),
        (NYSE, None, date(2024, 1, 6), "is not over"),
        (ALWAYS, None, date(2024, 1, 5), "is not over"),
        (NYSE, date(2022, 12, 28), date(2023, 6, 1), "after the provider's last date, 2022-12-28"),
        (NYSE, None, date(1815, 6, 18), "before 1900"),
    ],
)
def test_as_of_is_never_in_the_future(calendar: CalendarConfig, last: date | None, asked: date, part: str) -> None:
    """A session that is not over, or that the provider does not have, is refused with the nearest that is."""
    with pytest.raises(ConfigError) as caught:
        resolve_as_of(calendar, last, asked, FRIDAY_EVENING)
    assert part in caught.value.message
    assert caught.value.hint


def test_a_weekend_that_is_past_is_the_friday_before() -> None:
    """Asked on Sunday, Saturday means Friday, and so does the Sunday itself."""
    sunday = datetime(2024, 1, 7, 12, tzinfo=UTC)
    assert resolve_as_of(NYSE, None, date(2024, 1, 7), sunday) == date(2024, 1, 5)
    assert resolve_as_of(NYSE, None, date(2024, 1, 6), datetime(2024, 1, 7, 12, tzinfo=UTC)) == date(2024, 1, 5)


def test_unknown_calendar_names_the_nearest() -> None:
    """A typo in the calendar is answered with the one that was meant."""
    with pytest.raises(ConfigError) as caught:
        sessions("XNYSE", date(2024, 1, 1), date(2024, 1, 5))
    assert "Did you mean 'XNYS'?" in str(caught.value.hint)


def test_years_that_a_calendar_does_not_cover_are_refused() -> None:
    """Tokyo's calendar begins in 1997: earlier sessions are an error that says so, not a guess."""
    with pytest.raises(ConfigError, match="1997"):
        sessions("XTKS", date(1960, 1, 1), date(2000, 1, 1))


def test_programs_ask_for_a_session_as_they_have_it() -> None:
    """A date, a text, a moment and nothing are all understood; anything else is an error that shows how."""
    day = date(2022, 12, 28)
    assert as_date(day) == as_date("2022-12-28") == as_date(datetime(2022, 12, 28, 16, tzinfo=UTC)) == day
    assert type(as_date(datetime(2022, 12, 28, tzinfo=UTC))) is date
    assert as_date(None) is None
    for wrong in ("28.12.2022", "", 20221228):
        with pytest.raises(ConfigError, match="is not a date"):
            as_date(wrong)  # type: ignore[arg-type]


ENDING = ("XSHG", "XBOM", "XSES")


@pytest.mark.parametrize("name", ENDING)
def test_a_calendar_that_has_ended_still_serves_the_past(name: str) -> None:
    """Once its last year is over, sessions up to its end run; which session was the last one since is not guessed."""
    limit = calendars.ends(name)
    assert limit is not None
    after = datetime.combine(limit + timedelta(days=4), time(12), UTC)
    asked = limit - timedelta(days=1)
    session = calendars.sessions(name, limit - timedelta(days=15), asked)[-1].item()
    assert resolve_as_of(CalendarConfig(name=name), limit, asked, after) == session
    with pytest.raises(ConfigError, match=f"calendar {name} ends on {limit}") as caught:
        resolve_as_of(CalendarConfig(name=name), None, None, after)
    assert "--as-of" in str(caught.value.hint)


@pytest.mark.parametrize("name", ENDING)
def test_days_after_a_calendars_end_are_weekdays(name: str) -> None:
    """So that it can be said when a rebalance is due next; what is within the calendar keeps its holidays."""
    limit = calendars.ends(name)
    assert limit is not None
    found = calendars.sessions(name, limit - timedelta(days=100), limit + timedelta(days=30))
    known = calendars.sessions(name, limit - timedelta(days=100), limit)
    assert found[: len(known)].tolist() == known.tolist()
    beyond = pd.bdate_range(limit + timedelta(days=1), limit + timedelta(days=30))
    assert found[len(known) :].tolist() == [day.date() for day in beyond]
    assert calendars.sessions(name, limit + timedelta(days=1), limit + timedelta(days=7)).tolist() == [
        day.date() for day in beyond if day.date() <= limit + timedelta(days=7)
    ]


ASK = """
import json, sys
if sys.argv[1] == "given":
    import exchange_calendars
from datetime import UTC, date, datetime
from quantflow.data import calendars
name = sys.argv[2]
now = datetime(2024, 2, 28, 17, 1, tzinfo=UTC)
found = [
    [str(day) for day in calendars.sessions(name, date(2009, 12, 1), date(2024, 2, 28))],
    str(calendars.ends(name)),
    str(calendars.last_completed(name, now)),
]
print(json.dumps([found, "pandas" in sys.modules]))
"""


def asked(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch, how: str = "fresh") -> tuple[Any, bool]:
    """What a process of its own is told of a calendar, and whether it imported pandas for it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    found = subprocess.run([sys.executable, "-c", ASK, how, name], capture_output=True, text=True, check=True)
    answer, imported = json.loads(found.stdout)
    return answer, imported


@pytest.mark.parametrize("name", ["XNYS", "XSHG"])
def test_what_is_kept_of_a_calendar_is_what_the_library_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a process that finds it does not import pandas."""
    first, kept, own = (asked(name, tmp_path, monkeypatch, how) for how in ("fresh", "fresh", "given"))
    assert first[0] == kept[0] == own[0]
    assert (first[1], kept[1]) == (True, False)


@pytest.mark.parametrize("damage", ["none", "torn", "changed", "old", "future"])
def test_damaged_or_old_sessions_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    """What is kept carries its own hash, and lasts a week; without damage it needs no library."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = calendars._file("XHKG")
    assert file is not None
    span = calendars._Span(date(1990, 1, 1), date(2027, 1, 1), None, *calendars._made("XHKG", *calendars._ANY_MONTH))
    age = {"old": 8, "future": -2}.get(damage, 6)
    calendars._keep(file, span, date(2026, 6, 1) - timedelta(days=age))
    text = file.read_text()
    if damage == "torn":
        file.write_text(text[:-40])
    elif damage == "changed":
        file.write_text(text.replace('"days": [1', '"days": [2'))
    found = calendars._read(file, date(2026, 6, 1))
    if damage != "none":
        assert found is None
        return
    assert found is not None
    assert (found.days.tolist(), found.closes.tolist()) == (span.days.tolist(), span.closes.tolist())
    assert (found.first, found.last, found.limit) == (span.first, span.last, span.limit)


def test_years_that_are_not_kept_are_asked_for() -> None:
    """The sessions around the first one that is kept, and those of a later decade, are the library's too."""
    old = sessions("XNYS", date(1989, 12, 20), date(1990, 1, 9))
    assert [str(day) for day in old[-8:-5]] == ["1989-12-28", "1989-12-29", "1990-01-02"]
    assert len(sessions("XNYS", date(2040, 1, 1), date(2040, 12, 31))) > 240


def test_a_calendar_that_cannot_be_kept_is_asked_each_time(mocker: MockerFixture) -> None:
    """As one whose rules the installed pandas cannot follow in some year."""
    made = calendars._made

    def some_years(name: str, start: date, end: date) -> Any:
        if (end - start).days > 1000:
            raise ConfigError("not for so long")
        return made(name, start, end)

    mocker.patch.object(calendars, "_span", calendars._span.__wrapped__)
    mocker.patch.object(calendars, "_made", some_years)
    assert calendars._span("XTKS") is None
    assert len(sessions("XTKS", date(2024, 1, 4), date(2024, 1, 9))) == 3
    assert calendars.ends("XTKS") is None
