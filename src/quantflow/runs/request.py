"""From a loaded profile to a run that is on disk and can be started, or started again."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from quantflow.config.load import override_settings as override
from quantflow.config.meta import Sleeve
from quantflow.config.plugins import importable
from quantflow.config.profile import MetaProfile, Profile
from quantflow.config.source import as_json
from quantflow.data.cache import StageCache
from quantflow.data.store import ArtifactStore, private_folder
from quantflow.errors import ConfigError, unknown_name
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.registry import META, StageRegistry
from quantflow.pipeline.stage import SelectionContext, Stage, check_wiring
from quantflow.runs.layout import Layout
from quantflow.runs.lock import owned
from quantflow.runs.plan import Planned, Planner
from quantflow.runs.record import RunRecord
from quantflow.runs.sleeves import SleeveLink, config_hash
from quantflow.runs.status import find_run
from quantflow.runs.taken import refuse_existing


def default_run_id(profile: str, as_of: date) -> str:
    """Return a new run id: the as-of session, the profile, and four random hex digits."""
    return f"{as_of:%Y%m%d}-{profile}-{secrets.token_hex(2)}"


def resolve_as_of(profile: Profile, asked: date | None) -> date:
    """Return the last session that a run of *profile* may see.

    Args:
        profile: Its calendar and provider decide.
        asked: A date; None for the last completed session that the provider has.

    Raises:
        ConfigError: If *asked* is in the future or there is no such session.
    """
    from quantflow.data import calendars
    from quantflow.data.providers import open_provider

    last = open_provider(profile.data).last_date()
    return calendars.resolve_as_of(profile.calendar, last, asked, datetime.now(UTC))


def create_run(
    profile: Profile, workspace: Path, as_of: date, run_id: str | None = None, parent: Mapping[str, str] | None = None
) -> RunRecord:
    """Write the record of a new run, with its settings frozen.

    Args:
        profile: What to run.
        workspace: Where.
        as_of: The last session that the run may see.
        run_id: Its name; made up when None.
        parent: For a sleeve: ``run_id`` of the meta run and ``sleeve``.

    Raises:
        ConfigError: If the id is unsafe or taken, or the stages' wiring does not hold.
        LockedError: If a live process works on a run of that id.
    """
    record = RunRecord(workspace, run_id or default_run_id(profile.name, as_of))
    stages = pipeline_of(profile.settings())
    with _creating(record):
        record.create(
            {
                "kind": "selection",
                "profile": profile.name,
                "as_of": as_of.isoformat(),
                "settings": profile.settings(),
                "sources": as_json(profile.sources),
                "stages": [stage.id for stage in stages],
                "store": profile.execution.store,
                "parent": dict(parent) if parent else None,
                "scope": parent["scope"] if parent else record.run_id,
                "source": source_of(profile),
            }
        )
    return record


@contextmanager
def _creating(record: RunRecord) -> Iterator[None]:
    """Own a run while it is written; whoever owns it for longer, as ``begun`` does, goes on owning it."""
    private_folder(record.folder)
    with owned(record.folder):
        refuse_existing(record)
        yield


def create_meta_run(
    meta: MetaProfile,
    workspace: Path,
    as_of: date,
    run_id: str | None = None,
    parent: Mapping[str, str] | None = None,
) -> RunRecord:
    """Write the record of a new meta run and those of its sleeves, all with their settings frozen.

    Args:
        meta: What to run.
        workspace: Where.
        as_of: The last session that any sleeve may see.
        run_id: Its name; made up when None.
        parent: For a nested one: as in ``create_run``.

    Raises:
        ConfigError: If the id is unsafe or taken, or a pinned run is missing, unfinished or of another profile.
        LockedError: If a live process works on a run of that id.
    """
    record = RunRecord(workspace, run_id or default_run_id(meta.name, as_of))
    check_wiring([StageRegistry.get(name) for name in META])
    scope = parent["scope"] if parent else record.run_id
    with _creating(record):
        made = [_sleeve(sleeve, meta, record, as_of, scope) for sleeve in meta.sleeves]
        for link in made:
            link.write(record)
        record.create(
            {
                "kind": "meta",
                "profile": meta.name,
                "as_of": as_of.isoformat(),
                "settings": meta.settings(),
                "sources": as_json(meta.sources),
                "stages": list(META),
                "store": meta.execution.store,
                "parent": dict(parent) if parent else None,
                "scope": scope,
                "sleeves": [link.id for link in made],
                "failed": [],
                "source": source_of(meta),
            }
        )
    return record


def _sleeve(sleeve: Sleeve, meta: MetaProfile, record: RunRecord, as_of: date, scope: str) -> SleeveLink:
    if sleeve.run_id is not None:
        return _pinned(sleeve, record.workspace)
    parent = {"run_id": record.run_id, "sleeve": sleeve.id, "scope": scope}
    child, profile = f"{record.run_id}.{sleeve.id}", meta.resolved[sleeve.id]
    made = RunRecord(record.workspace, child)
    if not made.exists:  # a creation that was cut short is taken up where it was
        if isinstance(profile, MetaProfile):
            made = create_meta_run(profile, record.workspace, as_of, child, parent)
        else:
            made = create_run(profile, record.workspace, as_of, child, parent)
    digest = config_hash(profile.settings(), as_of.isoformat())
    kind = "meta" if isinstance(profile, MetaProfile) else "profile"
    return SleeveLink(sleeve.id, made.run_id, profile.name, kind, digest)


def _pinned(sleeve: Sleeve, workspace: Path) -> SleeveLink:
    found = find_run(workspace, str(sleeve.run_id))
    header = found.record.header
    if found.state != "completed" or header["profile"] != sleeve.profile:
        raise ConfigError(
            f"Sleeve {sleeve.id!r} is pinned to run {sleeve.run_id}, which is {found.state} and of profile "
            f"{header['profile']!r}.",
            hint=f"Pin a completed run of {sleeve.profile!r}, or leave run_id out.",
        )
    digest = config_hash(header["settings"], header["as_of"])
    return SleeveLink(sleeve.id, found.record.run_id, str(sleeve.profile), "profile", digest, pinned=True)


def resolve_meta_as_of(meta: MetaProfile, asked: date | None) -> date:
    """Return the last session that all sleeves of *meta* have completed, or *asked*.

    Raises:
        ConfigError: If *asked* is in the future of a sleeve, or a pinned run says another session than asked.
    """
    found = [resolve_as_of(profile, asked) for profile in _leaf_profiles(meta)]
    return min(found)


def _leaf_profiles(meta: MetaProfile) -> list[Profile]:
    out: list[Profile] = []
    for profile in meta.resolved.values():
        out += _leaf_profiles(profile) if isinstance(profile, MetaProfile) else [profile]
    return out


def source_of(profile: Profile | MetaProfile) -> str | None:
    """Return what tells whether the source data of a profile, or of its sleeves, have changed; None if nothing does."""
    from quantflow.data.providers import fingerprint

    if isinstance(profile, Profile):
        return fingerprint(profile.data)
    marks = [fingerprint(leaf.data) for leaf in _leaf_profiles(profile)]
    return hashlib.sha256(repr(marks).encode()).hexdigest() if any(marks) else None


def layout_of(record: RunRecord) -> Layout:
    """Return where the run's artifacts and cached results lie."""
    return Layout.of(record.workspace, record.header.get("store"))


def pipeline(record: RunRecord) -> list[Stage]:
    """Return the run's stages, in order.

    Raises:
        ConfigError: If a stage of another package cannot be found, or is not what it was when the run was created.
    """
    if record.header["kind"] == "meta":
        return [StageRegistry.get(name) for name in record.stages]
    importable(record.workspace)
    stages = pipeline_of(record.settings)
    if changed := {stage.id for stage in stages} ^ set(record.stages):
        raise ConfigError(
            f"Run {record.run_id} was made of other stages than there are now: {', '.join(sorted(changed))}.",
            hint="Start a new run; what has not changed comes from the cache.",
        )
    return list(stages)


def context_of(record: RunRecord) -> SelectionContext:
    """Return the context in which the run's first stage can run."""
    header = record.header
    layout = layout_of(record)
    return SelectionContext(record.run_id, header["profile"], record.as_of, record.settings, layout.store)


def planner_of(record: RunRecord, forced: Sequence[str] = ()) -> Planner:
    """Return the planner for what is left to do of the run.

    Args:
        record: The run.
        forced: Stages to run whatever is there.
    """
    layout = layout_of(record)
    cache = StageCache(layout.cache, ArtifactStore(layout.store, as_of=record.as_of))
    records = {name: record.stage(name) for name in record.stages}
    return Planner(record.scope, record.settings, cache, records, frozenset(forced))


def downstream(stages: Sequence[str], first: str) -> tuple[str, ...]:
    """Return *first* and every stage after it.

    Raises:
        ConfigError: If the run has no such stage.
    """
    if first not in stages:
        raise unknown_name("stage", first, stages)
    return tuple(stages[list(stages).index(first) :])


def plan_of(record: RunRecord, forced: Sequence[str] = ()) -> list[Planned]:
    """Return what a resume of the run would do."""
    return planner_of(record, forced).plan(pipeline(record))


def plan_new(profile: Profile, workspace: Path, as_of: date) -> list[Planned]:
    """Return what a new run of *profile* would do; nothing is written."""
    layout = Layout.of(workspace, profile.execution.store)
    settings = {**profile.settings(), "as_of": as_of.isoformat()}
    cache = StageCache(layout.cache, ArtifactStore(layout.store, as_of=as_of))
    return Planner("", settings, cache, {}).plan(pipeline_of(settings))


def check_stages(profile: Profile | MetaProfile) -> None:
    """Check the stages that other packages give to a profile, or to the sleeves of a meta profile; no others.

    Raises:
        ConfigError: If one cannot be found, or the wiring does not hold.
    """
    for each in _leaf_profiles(profile) if isinstance(profile, MetaProfile) else [profile]:
        if each.pipeline.stages:
            pipeline_of(each.settings())


def with_settings(record: RunRecord, overrides: Sequence[str], *, write: bool) -> RunRecord:
    """Return the run with some settings changed; only stages that read them will run again.

    Args:
        record: The run.
        overrides: ``section.key=value`` lines; of a meta run only ``execution.…``, which changes no result.
        write: Whether the run's record is changed too, or only the copy that is returned.

    Raises:
        ConfigError: If a value is wrong.
    """
    own = record.header["settings"]
    if record.header["kind"] != "meta":
        importable(record.workspace)
        profile = override(record.header["profile"], own, overrides)
        settings = profile.settings()
    elif all(line.strip().startswith("execution.") for line in overrides):
        profile = override(record.header["profile"], {"execution": own["execution"]}, overrides)
        settings = {**own, "execution": profile.settings()["execution"]}
    else:
        raise ConfigError(
            f"{record.run_id} is a meta run: the settings of its sleeves are frozen, all but execution.",
            hint="Start a new one with --set; what has not changed comes from the cache.",
        )
    changes = {"settings": settings, "sources": {**record.header["sources"], **as_json(profile.sources)}}
    if write:
        record.update(**changes)
        return RunRecord(record.workspace, record.run_id)
    copy = RunRecord(record.workspace, record.run_id)
    copy.__dict__["header"] = {**record.header, **changes}
    return copy
