"""From a loaded profile to a run on disk; and what a run of it would do."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from quantflow.config.meta import Sleeve
from quantflow.config.operation import names_file
from quantflow.config.profile import MetaProfile, Profile
from quantflow.config.sweeps.sweep import AnyProfile, SweepProfile
from quantflow.data.cache import StageCache
from quantflow.data.providers import fingerprint
from quantflow.data.store import ArtifactStore, private_folder
from quantflow.errors import ConfigError, unknown_name
from quantflow.pipeline.arrange import pipeline_of, through
from quantflow.pipeline.registry import META, META_HOLD, SWEEP
from quantflow.pipeline.stage import PROFILE
from quantflow.runs.as_of import AsOf, leaf_profiles
from quantflow.runs.decision import decided
from quantflow.runs.find import find_run
from quantflow.runs.header import ORDINARY, Header, Parent, RunOptions
from quantflow.runs.kinds import open_run
from quantflow.runs.layout import Layout
from quantflow.runs.lock import owned, refuse_locked
from quantflow.runs.plan import Planned, Planner
from quantflow.runs.record import RunRecord
from quantflow.runs.research.counted import tried
from quantflow.runs.run import Run
from quantflow.runs.sleeves import SleeveLink, config_hash


def default_run_id(profile: str, as_of: date) -> str:
    """Return a new run id: the as-of session, the profile, and four random hex digits."""
    return f"{as_of:%Y%m%d}-{profile}-{secrets.token_hex(2)}"


def source_of(profile: AnyProfile) -> str | None:
    """Return a mark that changes with the source data of a profile, or of its sleeves; None if nothing is known."""
    marks = [fingerprint(leaf.data, *_files_of(leaf)) for leaf in leaf_profiles(profile)]
    if not isinstance(profile, MetaProfile):
        return marks[0]
    return hashlib.sha256(repr(marks).encode()).hexdigest() if any(marks) else None


def _files_of(profile: Profile) -> tuple[str | None, ...]:
    """Return the files that ingestion reads besides the provider's."""
    benchmark = profile.validation.benchmark
    named = benchmark if benchmark is not None and names_file(benchmark) else None
    return profile.universe.members, profile.validation.costs, named, *(t.path for t in profile.tables.by_name.values())


def create_run(
    profile: AnyProfile,
    workspace: Path,
    as_of: date | AsOf,
    run_id: str | None = None,
    options: RunOptions = ORDINARY,
) -> Run:
    """Write the record of a new run, and those of a meta run's sleeves, with their settings frozen.

    Args:
        profile: What to run.
        workspace: Where.
        as_of: The last session that the run may see, and how old its prices are where that is known.
        run_id: Its name; generated when None.
        options: How it differs from one that cron starts.

    Raises:
        ConfigError: If the id is unsafe or taken, the stages' wiring does not hold, or a pinned run is missing,
            unfinished or of another profile.
        IntegrityError: If what the profile's book holds cannot be read.
        LockedError: If a live process works on a run of that id.
    """
    seen = as_of if isinstance(as_of, AsOf) else AsOf(as_of)
    what, before = decided(profile, workspace, seen.session, by_hand=options.by_hand, apart=bool(options.until))
    record = RunRecord(workspace, run_id or default_run_id(profile.name, seen.session))
    header = Header("", profile.name, seen.session, decision=what, position=before, stale=seen.stale)
    return _created(profile, record, replace(header, fresh=options.fresh, until=options.until))


def _created(profile: AnyProfile, record: RunRecord, begun: Header) -> Run:
    """Write the record of a run of which *begun* says when, what it does, and whose sleeve it is."""
    hold = begun.decision.hold
    header = replace(
        begun,
        kind=_kind(profile),
        stages=_stages(profile, hold=hold, until=begun.until),
        settings=profile.settings(),
        sources=dict(profile.sources),
        store=profile.execution.store,
        scope=begun.parent.scope if begun.parent else record.id,
        source=source_of(profile),
    )
    private_folder(record.folder)
    with owned(record.folder):
        refuse_existing(record)
        sleeves = _write_sleeves(profile, record, header) if isinstance(profile, MetaProfile) else ()
        trials = () if isinstance(profile, MetaProfile) else tried(profile.settings(), begun.as_of, record.workspace)
        record.create(replace(header, sleeves=sleeves, trials=trials))
    return open_run(record.workspace, record.id)


def _kind(profile: AnyProfile) -> str:
    if isinstance(profile, SweepProfile):
        return "sweep"
    return "meta" if isinstance(profile, MetaProfile) else "selection"


def _stages(profile: AnyProfile, *, hold: bool, until: str) -> tuple[str, ...]:
    if isinstance(profile, SweepProfile):
        return SWEEP
    if isinstance(profile, MetaProfile):
        return META_HOLD if hold else META
    return tuple(stage.id for stage in through(pipeline_of(profile.settings(), hold=hold), until))


def _write_sleeves(meta: MetaProfile, record: RunRecord, header: Header) -> tuple[str, ...]:
    links = [_sleeve(sleeve, meta, record, header) for sleeve in meta.sleeves]
    for link in links:
        link.write(record.folder)
    return tuple(link.id for link in links)


def _sleeve(sleeve: Sleeve, meta: MetaProfile, record: RunRecord, header: Header) -> SleeveLink:
    if sleeve.run_id is not None:
        return _pinned(sleeve, record.workspace)
    child, profile = RunRecord(record.workspace, f"{record.id}.{sleeve.id}"), meta.resolved[sleeve.id]
    if not child.exists:  # a creation that was cut short continues where it was
        parent = Parent(record.id, sleeve.id, header.scope or record.id)
        begun = Header("", profile.name, header.as_of, parent=parent, decision=header.decision, fresh=header.fresh)
        _created(profile, child, begun)
    kind = "meta" if isinstance(profile, MetaProfile) else "profile"
    return SleeveLink(
        sleeve.id, child.id, profile.name, kind, config_hash(profile.settings(), header.as_of.isoformat())
    )


def _pinned(sleeve: Sleeve, workspace: Path) -> SleeveLink:
    found = find_run(workspace, str(sleeve.run_id))
    if found.state != "completed" or found.profile != sleeve.profile:
        raise ConfigError(
            f"Sleeve {sleeve.id!r} is pinned to run {sleeve.run_id}, which is {found.state} and of profile "
            f"{found.profile!r}.",
            hint=f"Pin a completed run of {sleeve.profile!r}, or leave run_id out.",
        )
    return SleeveLink(sleeve.id, found.id, str(sleeve.profile), "profile", found.config_hash, pinned=True)


def refuse_taken(record: RunRecord) -> None:
    """Refuse a run id that is in use.

    Raises:
        LockedError: If its owner lives.
        ConfigError: If the run exists.
    """
    refuse_locked(record.folder)
    refuse_existing(record)


def refuse_existing(record: RunRecord) -> None:
    """Refuse a run id that a run has, no matter who owns it.

    Raises:
        ConfigError: If the run exists.
    """
    if record.exists:
        raise ConfigError(
            f"There is already a run called {record.id}.",
            hint=f"Continue it: quantflow resume {record.id}; or choose another --run-id.",
        )


def downstream(stages: Sequence[str], first: str) -> tuple[str, ...]:
    """Return *first* and every stage after it.

    Raises:
        ConfigError: If the run has no such stage.
    """
    if first not in stages:
        raise unknown_name("stage", first, stages)
    return tuple(stages[list(stages).index(first) :])


def plan_new(profile: Profile, workspace: Path, as_of: date, options: RunOptions = ORDINARY) -> list[Planned]:
    """Return what a new run of *profile* would do; nothing is written. See ``create_run`` for the arguments."""
    layout = Layout.of(workspace, profile.execution.store)
    settings = {**profile.settings(), "as_of": as_of.isoformat(), PROFILE: profile.name}
    cache = StageCache(layout.cache, ArtifactStore(layout.store, as_of=as_of))
    hold = decided(profile, workspace, as_of, by_hand=options.by_hand, apart=bool(options.until))[0].hold
    return Planner("", settings, cache, {}, fresh=options.fresh).plan(
        through(pipeline_of(settings, hold=hold), options.until)
    )


def check_stages(profile: AnyProfile) -> None:
    """Check the third-party stages of a profile, or of the sleeves of a meta profile; no others.

    Raises:
        ConfigError: If one cannot be found, or the wiring does not hold.
    """
    for leaf in leaf_profiles(profile):
        if leaf.pipeline.stages:
            pipeline_of(leaf.settings())
