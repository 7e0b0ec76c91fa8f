"""The session that a run may see, and how old the newest prices are then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from quantflow.config.calendar import CalendarConfig
from quantflow.config.profile import MetaProfile, Profile
from quantflow.config.sweeps.sweep import AnyProfile, SweepProfile
from quantflow.data import calendars
from quantflow.data.providers import open_provider
from quantflow.data.providers.base import first_date
from quantflow.errors import DataError
from quantflow.runs.find import list_runs
from quantflow.runs.run import Run

TIMELESS = "sample"
"""The provider whose prices end once and for all, so that nobody expects newer ones."""


@dataclass(frozen=True)
class AsOf:
    """The last session that a run may see.

    Attributes:
        session: The session.
        stale: How old the newest prices are, in words, where they are older than the profile allows and the session was
            not asked for by its date; else empty.
        blocks: Whether the profile wants no run then; None to leave it to what earlier runs had.
    """

    session: date
    stale: str = ""
    blocks: bool | None = None


def resolve_as_of(profile: AnyProfile, asked: date | None) -> AsOf:
    """Return the last session that a run of *profile* may see; of a meta profile, the last that all its sleeves may.

    Args:
        profile: Its calendar and provider decide.
        asked: A date; None for the last completed session that the provider has.

    Raises:
        ConfigError: If *asked* is in the future or is not a session.
        DataError: If ``data.start`` is after it.
    """
    return min((_resolved(leaf, asked) for leaf in leaf_profiles(profile)), key=lambda found: found.session)


def refuse_stale(found: AsOf, profile: str, workspace: Path) -> None:
    """Refuse a run on prices that are too old, where the profile says so, or once it had fresh ones.

    A first run on old prices is research, and goes on; a feed that has stopped is an error, night after night.

    Raises:
        DataError: Then.
    """
    if not found.stale or found.blocks is False:
        return
    if found.blocks or any(
        _was_fresh(run) for run in list_runs(workspace) if run.state != "unreadable" and run.profile == profile
    ):
        raise DataError(
            f"{profile}: {found.stale}.",
            hint=f"See why no newer ones come; or ask for the past, --as-of {found.session}; or change data.max_age, "
            "data.on_age.",
        )


def named_leaves(profile: MetaProfile, above: str = "") -> list[tuple[str, Profile]]:
    """Return the profiles of all sleeves that are run, at any depth, each with its path of ids: ``outer/inner``."""
    found: list[tuple[str, Profile]] = []
    for name, sleeve in profile.resolved.items():
        path = f"{above}{name}"
        found += [(path, sleeve)] if isinstance(sleeve, Profile) else named_leaves(sleeve, f"{path}/")
    return found


def leaf_profiles(profile: AnyProfile) -> list[Profile]:
    """Return the profiles of all sleeves, at any depth; a profile alone."""
    if isinstance(profile, SweepProfile):
        return [profile.base]
    if isinstance(profile, Profile):
        return [profile]
    return [leaf for sleeve in profile.resolved.values() for leaf in leaf_profiles(sleeve)]


def _resolved(profile: Profile, asked: date | None) -> AsOf:
    last, now = open_provider(profile.data).last_date(), datetime.now(UTC)
    session = calendars.resolve_as_of(profile.calendar, last, asked, now)
    _check_start(profile, session, last)
    limit = profile.data.max_age
    if asked is not None or last is None or limit == "off" or profile.data.provider == TIMELESS:
        return AsOf(session)
    age = age_at(profile.calendar, session, now)
    if age <= limit:
        return AsOf(session)
    over = calendars.last_known(profile.calendar.name, now)
    stale = f"prices end on {last}, {age} sessions behind the last completed one ({over})"
    return AsOf(session, stale, {"block": True, "warn": False}.get(profile.data.on_age))


def _check_start(profile: Profile, session: date, last: date | None) -> None:
    """Refuse a start after the session, and say who set it and which days there are."""
    start, source = profile.data.start, profile.sources.get("data.start")
    if start is None or start <= session:
        return
    provider = open_provider(profile.data)
    first = first_date(provider, tuple(provider.instruments(profile.universe).index), last) if last else None
    there = f", and the data are of {first} to {last}" if first else ""
    raise DataError(
        f"{profile.name}: data.start = {start}{f' ({source})' if source else ''} is after the as-of {session}{there}.",
        hint="Set an earlier data.start in the profile's section data, or ask for a later --as-of.",
    )


def age_at(calendar: CalendarConfig, session: date, moment: datetime) -> int:
    """Return how many sessions after *session* were over at a moment."""
    over = calendars.last_known(calendar.name, moment)
    return len(calendars.sessions(calendar.name, session + timedelta(days=1), over))


def _was_fresh(run: Run) -> bool:
    """Whether a run was begun when its session was the last one, or the one before."""
    calendar = CalendarConfig(**run.header.settings["calendar"])
    return age_at(calendar, run.as_of, datetime.fromisoformat(run.header.created)) <= 1
