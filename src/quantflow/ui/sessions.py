"""How the sessions of the profiles look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.markup import escape

from quantflow.data.track import Band
from quantflow.ops.schedule import Time
from quantflow.ops.sessions import Mark, Nights
from quantflow.runs.book import Book, Broken
from quantflow.ui.tables import new_table, out, show

SIGNS: Mapping[Mark, tuple[str, str]] = {
    Mark.COMPLETED: ("✓", "green"),
    Mark.DEGRADED: ("~", "yellow"),
    Mark.LATE: ("l", "cyan"),
    Mark.RUNNING: ("▶", "cyan"),
    Mark.FAILED: ("✗", "bold red"),
    Mark.MISSED: ("m", "bold red"),
    Mark.CLOSED: ("·", "dim"),
}


def print_nights(found: Sequence[Nights]) -> None:
    """Print a line per profile with a mark per weekday, what they mean, and what to do about the gaps."""
    table = new_table("PROFILE", "FROM", "SESSIONS", "TO", ">DUE")
    for each in found:
        marks = "".join(f"[{SIGNS[night.mark][1]}]{SIGNS[night.mark][0]}[/]" for night in each.nights)
        days = [night.day.isoformat() for night in each.nights] or ["", ""]
        table.add_row(escape(each.profile), days[0], marks, days[-1], str(len(each.due)))
    console = out()
    show(console, table)
    console.print("  ".join(f"{sign} {mark.value}" for mark, (sign, _) in SIGNS.items()))
    for each in found:
        if each.book and each.book.decided:
            console.print(f"{escape(each.profile)}: {_book(each.book, each.band)}", soft_wrap=True)
        if each.note:
            console.print(f"{escape(each.profile)}: {escape(each.note)}", soft_wrap=True)
        for night in each.due:
            about = f"  quantflow inspect {night.run_id}" if night.run_id else ""
            console.print(f"{escape(each.profile)}  {night.day}  {night.mark.value}{about}", soft_wrap=True)
    if any(each.due for each in found):
        console.print("to run the missed sessions: quantflow catchup")


def _book(book: Book, band: Band | None) -> str:
    said = f"decided {book.decided}, next rebalance {book.next}"
    return said if band is None else f"{said}; {track_of(band)}"


def track_of(band: Band) -> str:
    """Return a track beside what was promised, in words."""
    sessions = f"{band.sessions} session{'s' * (band.sessions != 1)}"
    said = f"{band.growth:+.2%} in {sessions}, benchmark {band.benchmark:+.2%}"
    if band.low is None or band.high is None:
        return said
    return f"{said}, {'OUTSIDE' if band.outside else 'within'} the promised {band.low:+.2%} to {band.high:+.2%}"


def print_broken(books: Sequence[Broken]) -> None:
    """Print a line per book that cannot be read whole, with the command that publishes it again."""
    for book in books:
        out().print(f"{escape(book.profile)}  broken book: {escape(book.problem)}  {escape(book.fix)}", soft_wrap=True)


def print_schedules(plan: Mapping[str, Sequence[Time]], following: Mapping[str, datetime]) -> None:
    """Print a line per profile: at what times it runs, and when next."""
    table = new_table("PROFILE", "NEXT", "RUNS AT")
    for name, times in plan.items():
        following_time = f"{following[name]:%a %Y-%m-%d %H:%M %Z}"
        table.add_row(escape(name), following_time, escape(" and ".join(_at(time) for time in times)))
    show(out(), table)


def _at(time: Time) -> str:
    return f"{time.said} ({time.cron} {time.zone})" if time.said != time.cron else f"{time.cron} ({time.zone})"
