"""The track of a book: one line per session since its first trade, each chained by a hash to the one before."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

from quantflow.data.position import Line
from quantflow.errors import IntegrityError
from quantflow.runs.book import place_of

TRACK = "track.csv"
COLUMNS = (*(field.name for field in fields(Line)), "chain")


def track(workspace: Path, profile: str) -> list[Line]:
    """Return the track of a profile's book, oldest session first; empty when there is none.

    Raises:
        IntegrityError: If a line was changed, added or taken out since it was written.
    """
    place = place_of(workspace, profile) / TRACK
    try:
        return _checked(place.read_text(encoding="utf-8"), place)
    except FileNotFoundError:
        return []


def text_of(lines: Sequence[Line]) -> str:
    """Return a track as CSV; floats are written in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    chain = ""
    for line in lines:
        chain = _chained(chain, line)
        writer.writerow((*(str(value) for value in astuple(line)), chain))
    return out.getvalue()


def _chained(before: str, line: Line) -> str:
    text = ",".join([before, *(str(value) for value in astuple(line))])
    return hashlib.sha256(text.encode()).hexdigest()


def _checked(text: str, place: Path) -> list[Line]:
    lines: list[Line] = []
    chain = ""
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), 2):
        try:
            numbers = {name: float(row[name]) for name in COLUMNS[1:6]}
            line = Line(date=row["date"], run_id=row["run_id"], **numbers)
        except (KeyError, TypeError, ValueError) as error:
            raise _altered(place, number) from error
        chain = _chained(chain, line)
        if chain != row["chain"]:
            raise _altered(place, number)
        lines.append(line)
    return lines


def _altered(place: Path, number: int) -> IntegrityError:
    return IntegrityError(
        f"Line {number} of {place} is not what was written there.",
        hint=f"Put the file back from a copy; or move {place.parent} away, and the track begins anew.",
    )
