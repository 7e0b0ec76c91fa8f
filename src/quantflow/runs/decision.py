"""What a new run of a profile does: decide a portfolio, or hold the book that there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from quantflow.config.profile import MetaProfile
from quantflow.config.source import changes_weights
from quantflow.config.sweeps.sweep import AnyProfile, SweepProfile
from quantflow.data import rhythm
from quantflow.data.position import Position
from quantflow.errors import IntegrityError
from quantflow.runs.book import place_of
from quantflow.runs.header import Decided, Kind
from quantflow.runs.record import RunRecord

POSITION = "position.json"


def decided(
    profile: AnyProfile, workspace: Path, as_of: date, *, by_hand: bool = False, apart: bool = False
) -> tuple[Decided, Position | None]:
    """Return what a run of a profile on a session does, and the position before it; None where nothing is held.

    Args:
        profile: What is run.
        workspace: Where.
        as_of: The session.
        by_hand: Whether a portfolio is asked for in any case.
        apart: Whether the run is an experiment, whatever its settings.

    Raises:
        IntegrityError: If what the book holds cannot be read.
    """
    own = current_position(workspace, profile.name)
    before = _before(workspace, own, as_of)
    anchor = date.fromisoformat(before.anchor) if before else as_of
    every, calendar = profile.rebalance.every, profile.calendar.name
    following = rhythm.following(every, calendar, as_of, anchor).isoformat()
    due = rhythm.latest(every, calendar, as_of, anchor)
    kind = Kind.APART if apart else _kind(profile, as_of, own, before, due, by_hand)
    return Decided(kind, following, (due if due and kind is Kind.LATE else as_of).isoformat()), before


def _kind(
    profile: AnyProfile,
    as_of: date,
    own: Position | None,
    before: Position | None,
    due: date | None,
    by_hand: bool,
) -> Kind:
    if isinstance(profile, SweepProfile) or _overridden(profile) or not profile.publish.enabled:
        return Kind.APART
    if before is None:
        return Kind.FIRST
    if due is not None and due.isoformat() > before.scheduled:
        return Kind.REBALANCE if due == as_of else Kind.LATE
    again = own is not None and own.session == own.decided == as_of.isoformat()
    return Kind.BY_HAND if by_hand or again else Kind.HOLD


def _overridden(profile: AnyProfile) -> bool:
    inner = profile.resolved.values() if isinstance(profile, MetaProfile) else ()
    return changes_weights(profile.sources) or any(_overridden(each) for each in inner)


def current_position(workspace: Path, profile: str) -> Position | None:
    """Return what a profile's book holds; None when it has none.

    Raises:
        IntegrityError: If it cannot be read.
    """
    place = place_of(workspace, profile) / POSITION
    try:
        return Position.from_json(json.loads(place.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(
            f"What the book of {profile} holds cannot be read: {place}: {error}.",
            hint=f"Remove {place.parent} to begin another book.",
        ) from error


def _before(workspace: Path, own: Position | None, as_of: date) -> Position | None:
    """Return the position of the latest session before *as_of*, going back from run to run."""
    day = as_of.isoformat()
    return next((each for each in _back(workspace, own) if each.session < day), None)


def _back(workspace: Path, own: Position | None) -> Iterator[Position]:
    while own is not None:
        yield own
        record = RunRecord(workspace, own.run_id)
        own = record.header.position if record.exists else None
