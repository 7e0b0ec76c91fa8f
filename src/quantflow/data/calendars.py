"""Trading sessions: which days they are, which one is completed, and which one a run may see."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from quantflow.config.calendar import ALWAYS_OPEN, CalendarConfig
from quantflow.data.panel import SessionArray
from quantflow.errors import ConfigError, unknown_name

_LOOK_BACK = timedelta(days=30)
"""Longer than any market closure in the years that calendars cover, short enough to build fast."""

ENDS_SOON = timedelta(days=60)
"""How long before its end a calendar is reported."""

_EARLIEST = date(1900, 1, 1)
_ANY_MONTH = (date(2024, 1, 2), date(2024, 2, 28))
"""A span within every calendar, used to read properties of the calendar itself."""


def as_date(asked: date | str | None) -> date | None:
    """Convert an as-of argument to a date; None stays None.

    Raises:
        ConfigError: If the text is not an ISO date such as ``2022-12-28``.
    """
    if isinstance(asked, datetime):
        return asked.date()
    if asked is None or isinstance(asked, date):
        return asked
    try:
        return date.fromisoformat(asked)
    except (TypeError, ValueError):
        raise ConfigError(
            f"as_of {asked!r} is not a date.", hint='Give a date, or a text such as "2022-11-30".'
        ) from None


def sessions(name: str, start: date, end: date) -> SessionArray:
    """Return the sessions from *start* to *end*, both included.

    Args:
        name: Exchange code as exchange_calendars knows it, or ``"24/7"``.
        start: First date, not before 1900.
        end: Last date; before *start* gives no sessions.

    Returns:
        Dates, ``datetime64[D]``, strictly increasing.

    Where the installed calendar ends before *end*, the days after it are taken to be sessions from Monday to Friday:
    its holidays are not known yet, and what is asked of the future is only when something is due.

    Raises:
        ConfigError: If there is no such calendar, or it begins after *start*.
    """
    first, last = np.datetime64(start, "D"), np.datetime64(end, "D")
    if name == ALWAYS_OPEN:
        return np.arange(first, last + 1) if last >= first else np.empty(0, "datetime64[D]")
    if last < first:
        return np.empty(0, "datetime64[D]")
    limit = ends(name)
    if limit is not None and limit < end:
        beyond = np.arange(max(np.datetime64(limit, "D") + 1, first), last + 1)
        known = sessions(name, start, limit) if start <= limit else np.empty(0, "datetime64[D]")
        return np.concatenate([known, beyond[np.is_busday(beyond)]])
    days = _built(name, start - _LOOK_BACK if start == end else start, end)[0]  # no calendar is built for one day
    return days[days >= first]


@lru_cache(maxsize=16)
def ends(name: str) -> date | None:
    """Return the last day that the installed calendar covers; None if it is unbounded.

    Raises:
        ConfigError: If there is no such calendar.
    """
    if name == ALWAYS_OPEN:
        return None
    bound = _calendar(name, *_ANY_MONTH).bound_max()
    return None if bound is None else bound.date()


def last_completed(name: str, now: datetime) -> date:
    """Return the last session that is over at *now*.

    Args:
        name: Exchange code, or ``"24/7"`` (a day is over at midnight UTC).
        now: A moment with a time zone.

    Raises:
        ConfigError: If there is no such calendar, or it has ended.
        ValueError: If *now* has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("now needs a time zone")
    moment = now.astimezone(UTC)
    if name == ALWAYS_OPEN:
        return moment.date() - timedelta(days=1)
    limit = ends(name)
    if limit is not None and limit < moment.date():
        raise ConfigError(
            f"The installed calendar {name} ends on {limit}, so the last completed session is unknown.",
            hint=f"Install a newer exchange_calendars; or ask for a session up to that day: --as-of {limit}.",
        )
    days, closes = _built(name, moment.date() - _LOOK_BACK, moment.date())
    over = closes <= np.datetime64(moment.replace(tzinfo=None), "ns")
    last: date = days[over][-1].item()
    return last


def last_known(name: str, now: datetime) -> date:
    """Return the last completed session at *now*, or the calendar's last session if it has ended."""
    limit = ends(name)
    if limit is None or limit >= now.astimezone(UTC).date():
        return last_completed(name, now)
    return _session_at(name, limit)


def usual_close(name: str) -> tuple[str, int]:
    """Return an exchange's time zone, and when its sessions usually end, in minutes after midnight there.

    Days that close early are over by then; a day of ``"24/7"`` is over at midnight UTC, after 1,440 minutes.

    Raises:
        ConfigError: If there is no such calendar.
    """
    if name == ALWAYS_OPEN:
        return "UTC", 24 * 60
    import exchange_calendars

    last = last_known(name, datetime.now(UTC))
    built = exchange_calendars.get_calendar(name, start=last - _LOOK_BACK, end=last)
    closes = [moment.tz_convert(built.tz) for moment in built.closes]
    return str(built.tz), max(moment.hour * 60 + moment.minute for moment in closes)


def resolve_as_of(calendar: CalendarConfig, last_date: date | None, asked: date | None, now: datetime) -> date:
    """Return the as-of session of a run.

    Args:
        calendar: The profile's calendar.
        last_date: The provider's last date; None when it is live.
        asked: What the user asked for; a day that is not a session means the session before it. None: the last
            completed session that the provider can have.
        now: A moment with a time zone.

    Raises:
        ConfigError: If *asked* is not over yet, or after the provider's last date, or before all sessions.
    """
    over = last_known(calendar.name, now) if asked else last_completed(calendar.name, now)
    if asked is None:
        return _session_at(calendar.name, over if last_date is None else min(over, last_date))
    if asked > now.astimezone(UTC).date() or _session_at(calendar.name, asked) > over:
        raise ConfigError(
            f"As-of {asked} is not over: the last completed session of {calendar.name} is {over}.",
            hint=f"Ask for {over} or an earlier session.",
        )
    session = _session_at(calendar.name, asked)
    if last_date is not None and session > last_date:
        raise ConfigError(
            f"As-of {asked} is after the provider's last date, {last_date}.",
            hint=f"Ask for {_session_at(calendar.name, last_date)} or an earlier session.",
        )
    return session


def _session_at(name: str, day: date) -> date:
    """Return *day* if it is a session, else the session before it."""
    if day < _EARLIEST:
        raise ConfigError(f"As-of {day} is before 1900.", hint="Ask for a later session.")
    days = sessions(name, day - _LOOK_BACK, day)
    if not len(days):
        raise ConfigError(f"Calendar {name} has no session up to {day}.", hint="Ask for a later date.")
    last: date = days[-1].item()
    return last


@lru_cache(maxsize=16)
def _built(name: str, start: date, end: date) -> tuple[SessionArray, Any]:
    """Return the sessions of a calendar and their closes (``datetime64[ns]``, UTC)."""
    from exchange_calendars.errors import CalendarError, NoSessionsError

    try:
        built = _calendar(name, start, end)
    except NoSessionsError:
        return np.empty(0, "datetime64[D]"), np.empty(0, "datetime64[ns]")
    except (CalendarError, ValueError) as error:
        raise ConfigError(
            f"Calendar {name} cannot give the sessions from {start} to {end}: {error}",
            hint="Ask for dates that the calendar covers (data.start, --as-of).",
        ) from error
    days = built.sessions.to_numpy().astype("datetime64[D]")
    closes = built.closes.dt.tz_localize(None).to_numpy().astype("datetime64[ns]")
    for array in (days, closes):
        array.flags.writeable = False
    return days, closes


def _calendar(name: str, start: date, end: date) -> Any:
    import exchange_calendars

    names = exchange_calendars.get_calendar_names(include_aliases=True)
    if name not in names:
        raise unknown_name("calendar", name, exchange_calendars.get_calendar_names(include_aliases=False))
    return exchange_calendars.get_calendar(name, start=start, end=end)
