"""Trading sessions: their dates, the last completed one, and the as-of session of a run.

The sessions since 1990 are cached in the user's cache folder for a week: importing the calendar library, and pandas
with it, takes longer than most uses of a calendar.
"""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from quantflow.config.calendar import ALWAYS_OPEN, CalendarConfig
from quantflow.config.workspaces import cache_folder
from quantflow.data.panel import SessionArray
from quantflow.data.sealed import sealed, unsealed
from quantflow.data.store import write_atomic
from quantflow.errors import ConfigError, InfrastructureError, unknown_name

_LOOK_BACK = timedelta(days=30)
"""Longer than any market closure in the years that calendars cover, short enough to build fast."""

ENDS_SOON = timedelta(days=60)
"""How long before its end a calendar is reported."""

_KEPT_SINCE, _KEPT_AHEAD, _KEPT_FOR = date(1990, 1, 1), timedelta(days=400), timedelta(days=7)
"""The sessions that are kept, from and to; and for how long, since the laws on summer time may change."""

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
        ConfigError: If the calendar is unknown, or begins after *start*.
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
        ConfigError: If the calendar is unknown.
    """
    if name == ALWAYS_OPEN:
        return None
    span = _span(name)
    return _bounds(name)[1] if span is None else span.limit


def last_completed(name: str, now: datetime) -> date:
    """Return the last session that is over at *now*.

    Args:
        name: Exchange code, or ``"24/7"`` (a day is over at midnight UTC).
        now: A moment with a time zone.

    Raises:
        ConfigError: If the calendar is unknown, or has ended.
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
        ConfigError: If the calendar is unknown.
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


@dataclass(frozen=True)
class _Span:
    """A calendar's sessions from one day to another, both included, their closes, and where the calendar ends."""

    first: date
    last: date
    limit: date | None
    days: SessionArray
    closes: Any

    def part(self, start: date, end: date) -> tuple[SessionArray, Any]:
        """Return the sessions and closes from *start* to *end*, both included."""
        bounds = np.array([start, end + timedelta(days=1)], "datetime64[D]")
        inside = slice(*np.searchsorted(self.days, bounds))
        return self.days[inside], self.closes[inside]


@lru_cache(maxsize=16)
def _span(name: str) -> _Span | None:
    """Return the cached sessions of a calendar; compute and cache them if there are none.

    If the library is already imported, it is used instead of the cache, since a plug-in may have registered a calendar.
    None for a calendar that the library cannot compute for so many years; the caller then asks it for fewer.

    Raises:
        ConfigError: If the calendar is unknown.
    """
    given, today = "exchange_calendars" in sys.modules, datetime.now(UTC).date()
    file = None if given else _file(name)
    if file is not None and (kept := _read(file, today)) is not None:
        return kept
    low, high = _bounds(name)
    first, last = max(_KEPT_SINCE, low or _EARLIEST), min(today + _KEPT_AHEAD, high or date.max)
    try:
        span = _Span(first, last, high, *_made(name, first, last))
    except (ConfigError, NotImplementedError):  # the library raises the latter for some calendars over long spans
        return None
    if file is not None:
        _keep(file, span, today)
    return span


def _bounds(name: str) -> tuple[date | None, date | None]:
    """Return the first and the last day that the installed calendar covers, None where it has no bound."""
    known = _calendar(name, *_ANY_MONTH)
    low, high = known.bound_min(), known.bound_max()
    return None if low is None else low.date(), None if high is None else high.date()


def _file(name: str) -> Path | None:
    folder = cache_folder()
    if folder is None:
        return None
    facts = [name, *(_installed(package) for package in ("exchange_calendars", "pandas", "tzdata", "quantflow"))]
    return folder / "calendars" / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}.json"


def _installed(package: str) -> str:
    with suppress(PackageNotFoundError):
        return version(package)
    return "absent"


def _read(file: Path, today: date) -> _Span | None:
    """Return what *file* keeps; None where it does not, it is too old, or damaged."""
    try:
        kept = unsealed(json.loads(file.read_bytes()))
        if not 0 <= today.toordinal() - kept["made"] <= _KEPT_FOR.days:
            return None
        first, last = (date.fromordinal(kept[name]) for name in ("first", "last"))
        limit = None if kept["limit"] is None else date.fromordinal(kept["limit"])
        days = np.array(kept["days"], "int64").astype("datetime64[D]")
        closes = np.array(kept["closes"], "int64").astype("datetime64[s]").astype("datetime64[ns]")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return _Span(first, last, limit, *_frozen(days, closes))


def _keep(file: Path, span: _Span, today: date) -> None:
    record = {
        "made": today.toordinal(),
        "first": span.first.toordinal(),
        "last": span.last.toordinal(),
        "limit": None if span.limit is None else span.limit.toordinal(),
        "days": span.days.astype("int64").tolist(),
        "closes": span.closes.astype("datetime64[s]").astype("int64").tolist(),
    }
    with suppress(InfrastructureError):  # a cache that cannot be written costs time alone
        write_atomic(file, json.dumps(sealed(record)).encode())


def _built(name: str, start: date, end: date) -> tuple[SessionArray, Any]:
    """Return the sessions of a calendar and their closes (``datetime64[ns]``, UTC)."""
    span = _span(name)
    if span is not None and span.first <= start and end <= span.last:
        return span.part(start, end)
    return _made(name, start, end)


@lru_cache(maxsize=16)
def _made(name: str, start: date, end: date) -> tuple[SessionArray, Any]:
    """Return the sessions and their closes as the library gives them."""
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
    return _frozen(days, closes)


def _frozen(days: SessionArray, closes: Any) -> tuple[SessionArray, Any]:
    for array in (days, closes):
        array.flags.writeable = False
    return days, closes


def _calendar(name: str, start: date, end: date) -> Any:
    import exchange_calendars

    names = exchange_calendars.get_calendar_names(include_aliases=True)
    if name not in names:
        raise unknown_name("calendar", name, exchange_calendars.get_calendar_names(include_aliases=False))
    return exchange_calendars.get_calendar(name, start=start, end=end)
