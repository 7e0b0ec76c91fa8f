"""What happened on each session: per profile, whether its portfolio was made, in time, late, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import numpy as np

from quantflow.config.calendar import CalendarConfig
from quantflow.config.load import load_meta, load_profile
from quantflow.data import calendars
from quantflow.data.track import Band, band
from quantflow.errors import ConfigError, QuantflowError
from quantflow.runs.as_of import resolve_as_of
from quantflow.runs.book import Book, current, track
from quantflow.runs.find import list_runs, refuse_newer_runs
from quantflow.runs.kinds import Sweep
from quantflow.runs.run import Run
from quantflow.types import Json


class Mark(StrEnum):
    """How a session went."""

    COMPLETED = "completed"
    DEGRADED = "degraded"
    LATE = "late"
    RUNNING = "running"
    FAILED = "failed"
    MISSED = "missed"
    CLOSED = "closed"


@dataclass(frozen=True)
class Night:
    """One weekday of one profile.

    Attributes:
        day: The date.
        mark: How it went; ``closed`` when the exchange had no session.
        run_id: The run that says so: the complete one, else the newest; None when there was none.
        decision: Whether that run decided a portfolio, and why; empty when there was none.
    """

    day: date
    mark: Mark
    run_id: str | None = None
    decision: str = ""


@dataclass(frozen=True)
class Nights:
    """The sessions of one profile, oldest first.

    Attributes:
        profile: The profile, or meta profile.
        kind: ``selection`` or ``meta``.
        nights: Its weekdays.
        book: Its current book; None when it has none.
        band: The book's track beside what the walk-forward promised; None before its first session.
        note: What keeps the newest sessions from being seen; empty when nothing does.
    """

    profile: str
    kind: str
    nights: tuple[Night, ...]
    book: Book | None = None
    band: Band | None = None
    note: str = ""

    @property
    def due(self) -> tuple[Night, ...]:
        """The sessions that have no complete run and are not at work, oldest first."""
        return tuple(night for night in self.nights if night.mark in (Mark.MISSED, Mark.FAILED))

    @property
    def wrong(self) -> bool:
        """Whether a session has no complete run, new ones cannot be seen, or the track has left its band."""
        return bool(self.due or self.note) or (self.band is not None and self.band.outside)

    def json(self) -> Json:
        """Return the sessions as JSON values."""
        nights = [
            {"day": night.day.isoformat(), "mark": night.mark.value, "run_id": night.run_id, "decision": night.decision}
            for night in self.nights
        ]
        book = {"decided": self.book.decided, "next": self.book.next} if self.book else None
        track = {**asdict(self.band), "outside": self.band.outside} if self.band else None
        return {
            "profile": self.profile,
            "kind": self.kind,
            "note": self.note,
            "book": book,
            "track": track,
            "nights": nights,
        }


def nights_of(workspace: Path, count: int, profiles: Sequence[str] = (), since: date | None = None) -> list[Nights]:
    """Return how the last sessions of each profile that ever ran went.

    A profile's sessions begin with the first one that it was run for (or *since*), and end with the last one that a
    run could see now.

    Args:
        workspace: The folder that holds the runs.
        count: Sessions per profile, at most.
        profiles: Only these; all when empty.
        since: Begin here, even before the first run.

    Raises:
        ConfigError: If one of *profiles* was never run, and *since* does not say where to begin.
        NewerRecordError: If a newer quantflow has written a run here: it may have done a session that seems missing.
    """
    refuse_newer_runs(workspace)
    runs: dict[tuple[str, str], list[Run]] = {}
    for run in list_runs(workspace):
        if run.state != "unreadable" and not isinstance(run, Sweep) and not run.header.until:
            runs.setdefault((run.header.kind, run.profile), []).append(run)
    for name in profiles:
        if not any(name == profile for _, profile in runs):
            raise ConfigError(
                f"{name} was never run in {workspace}.", hint=f"Run it once: quantflow select --profile {name}"
            )
    wanted = sorted(key for key in runs if not profiles or key[1] in profiles)
    return [_nights(workspace, kind, profile, runs[kind, profile], count, since) for kind, profile in wanted]


def _nights(workspace: Path, kind: str, profile: str, runs: Sequence[Run], count: int, since: date | None) -> Nights:
    calendar = CalendarConfig(**runs[-1].header.settings["calendar"]).name
    now = datetime.now(UTC)
    last, note = _last_session(workspace, kind, profile, calendars.last_known(calendar, now))
    limit = calendars.ends(calendar)
    if limit is not None and limit - now.date() < calendars.ENDS_SOON:
        note = "; ".join(filter(None, [note, f"calendar {calendar} ends on {limit}: upgrade exchange-calendars"]))
    first = since or min(run.as_of for run in runs)
    last = max(last, *(run.as_of for run in runs))
    days = [day.item() for day in calendars.sessions(calendar, first, last)][-count:]
    found = {day: _night(day, [run for run in runs if run.as_of == day], calendar) for day in days}
    shown = _weekdays(days[0], last) if days else []
    nights = tuple(found.get(day, Night(day, Mark.CLOSED)) for day in shown)
    book = current(workspace, profile)
    return Nights(profile, kind, nights, book, band_of(workspace, profile, book), note)


def band_of(workspace: Path, profile: str, book: Book | None) -> Band | None:
    """Return a book's track beside what was promised; None before its first session."""
    lines = track(workspace, profile)
    if book is None or not lines:
        return None
    net, benchmark = (np.array([getattr(line, name) for line in lines]) for name in ("net", "benchmark"))
    return band(net, benchmark, book.promised)


def _last_session(workspace: Path, kind: str, profile: str, over: date) -> tuple[date, str]:
    """Return the last session that a run could see now, and a note on later ones."""
    try:
        load = load_meta if kind == "meta" else load_profile
        found = resolve_as_of(load(profile, workspace=workspace), None)
    except QuantflowError as error:
        return over, f"its provider cannot be asked: {error.message}"
    last = found.session
    return last, found.stale or ("" if last >= over else f"no data after {last}; the last completed session is {over}")


def _weekdays(first: date, last: date) -> list[date]:
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [day for day in days if day.weekday() < 5]


def _night(day: date, runs: Sequence[Run], calendar: str) -> Night:
    complete = [run for run in runs if run.state == "completed"]
    if complete:
        decision = complete[-1].header.decision.kind.value
        return Night(day, quality(day, complete, calendar), complete[-1].id, decision)
    if not runs:
        return Night(day, Mark.MISSED)
    mark = Mark.RUNNING if runs[-1].state == "running" else Mark.FAILED
    return Night(day, mark, runs[-1].id)


def quality(day: date, complete: Sequence[Run], calendar: str) -> Mark:
    """Return how the session *day* went: late when its first complete run was begun after the next one had closed."""
    if complete[-1].degraded:
        return Mark.DEGRADED
    begun = datetime.fromisoformat(complete[0].header.created)
    return Mark.LATE if calendars.last_known(calendar, begun) > day else Mark.COMPLETED
