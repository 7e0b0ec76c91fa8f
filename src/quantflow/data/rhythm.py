"""The rhythm of a portfolio: the sessions at whose close it is decided anew, as the calendar knows them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from quantflow.config.sections import Rhythm
from quantflow.data import calendars
from quantflow.quant.backtest import decision_sessions

_LONGEST_PERIOD = timedelta(days=100)
"""Longer than a quarter and the days around it."""

_DAYS_PER_SESSION = 2.0
"""More calendar days than any exchange needs for a session, over long spans."""


def latest(every: Rhythm, calendar: str, session: date, anchor: date) -> date | None:
    """Return the last session up to *session*, itself included, on which a decision is due; None if there was none.

    Args:
        every: The rhythm.
        calendar: The calendar's name.
        session: A session.
        anchor: A session on which a decision was due; a number of sessions is counted from it, and nothing before it
            is looked at.

    Raises:
        ConfigError: If the calendar does not reach that far.
    """
    due = [day for day in _due(every, calendar, anchor, session) if day <= session]
    return due[-1] if due else None


def following(every: Rhythm, calendar: str, session: date, anchor: date) -> date:
    """Return the first session after *session* on which a decision is due; the arguments are those of ``latest``."""
    return next(day for day in _due(every, calendar, anchor, session) if day > session)


def _due(every: Rhythm, calendar: str, anchor: date, session: date) -> list[date]:
    """Return the sessions on which decisions are due, from *anchor* to the first after *session*."""
    beyond = timedelta(days=every * _DAYS_PER_SESSION + 10) if isinstance(every, int) else _LONGEST_PERIOD
    days = calendars.sessions(calendar, min(anchor, session), session + beyond)
    found: list[date] = days[decision_sessions(days, every)].tolist()
    return found if isinstance(every, int) else [day for day in found if day >= anchor]


def sessions_after(calendar: str, session: date, count: int) -> date:
    """Return the session *count* sessions after *session*."""
    days = calendars.sessions(calendar, session, session + timedelta(days=count * _DAYS_PER_SESSION + 15))
    found: date = days[np.searchsorted(days, np.datetime64(session, "D")) + count].item()
    return found
