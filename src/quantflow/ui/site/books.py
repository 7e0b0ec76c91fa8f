"""What the page says of each profile: its book, the age of its data, its last run, and its track."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from quantflow.config.calendar import CalendarConfig
from quantflow.data import calendars
from quantflow.errors import IntegrityError, QuantflowError, said
from quantflow.runs.book import Book, books, broken, current, stale, track
from quantflow.runs.header import Kind
from quantflow.runs.kinds import Sweep, Unreadable
from quantflow.runs.run import Run
from quantflow.types import Json
from quantflow.ui.site.curves import tracked

Summaries = Mapping[str, Mapping[str, object]]


def profiles_of(workspace: Path, runs: Sequence[Run], rows: Mapping[str, Json]) -> list[Json]:
    """Return what the page's first view says of each profile that has a run or a book, by name.

    Args:
        workspace: Where.
        runs: Its runs, oldest first; those of sleeves left out.
        rows: What ``row_of`` said of each, by id.
    """
    readable = [run for run in runs if not isinstance(run, Sweep | Unreadable)]
    names = sorted({*(run.profile for run in readable), *books(workspace)})
    troubles = {each.profile: each.problem for each in broken(workspace)}
    return [
        _profile(workspace, name, [run for run in readable if run.profile == name], rows, troubles.get(name, ""))
        for name in names
    ]


def _profile(workspace: Path, name: str, own: Sequence[Run], rows: Mapping[str, Json], trouble: str) -> Json:
    book = current(workspace, name)
    of_book = [run for run in own if run.header.decision.kind is not Kind.APART] or own
    last = of_book[-1] if of_book else None
    newest = [*reversed(of_book), *reversed(own)]
    walked = [run.id for run in newest if rows[run.id].get("sharpe") is not None]
    return {
        "name": name,
        "file": file_of(name),
        "kind": last.header.kind if last else "",
        "book": _book(book),
        "stale": stale(workspace, name) or "",
        "trouble": trouble,
        "age": _age(book or last, last),
        "last": last.id if last else None,
        "next": book.next if book and book.next else (last.header.decision.next if last else ""),
        "walk": next(iter(walked), None),
        "runs": len(own),
    }


def file_of(profile: str) -> str:
    """Return under which name the page finds a profile's track: any text may be a profile's name."""
    return f"books/{hashlib.sha256(profile.encode(errors='surrogatepass')).hexdigest()[:16]}"


def track_of(workspace: Path, profile: str) -> Json:
    """Return a book's track beside what was promised; one that was changed since is reported, not shown."""
    book = current(workspace, profile)
    found: Json = {"track": None, "problem": "", "weights": dict(book.weights) if book else {}}
    try:
        lines = track(workspace, profile)
    except IntegrityError as error:
        return {**found, "problem": error.message}
    except (OSError, ValueError) as error:
        return {**found, "problem": f"The track cannot be read: {said(error)}."}
    return {**found, "track": tracked(lines, book.promised if book else {})} if lines else found


def end_of(found: Json) -> Json | None:
    """Return where a track stands: ``sessions``, ``growth``, ``benchmark``, ``low``, ``high``, ``outside``."""
    whole = found["track"]
    if not isinstance(whole, dict):
        return None
    last = {name: whole[name][-1] if whole[name] else None for name in ("book", "benchmark", "low", "high")}
    return {"sessions": len(whole["dates"]), "growth": last.pop("book"), **last, "outside": whole["outside"]}


def _book(book: Book | None) -> Json | None:
    if book is None:
        return None
    return {"run": book.run_id, "as_of": book.as_of, "decided": book.decided, "names": len(book.weights)}


def _age(subject: Book | Run | None, last: Run | None) -> int | None:
    """Return how many sessions are over since the book's, or the run's; None where the calendar cannot say."""
    if subject is None or last is None:
        return None
    try:
        name = CalendarConfig(**last.header.settings["calendar"]).name
        day = date.fromisoformat(str(subject.as_of))
        return len(calendars.sessions(name, day, calendars.last_known(name, datetime.now(UTC)))) - 1
    except (QuantflowError, ValueError, KeyError, TypeError):
        return None
