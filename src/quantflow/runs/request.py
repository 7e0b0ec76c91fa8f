"""From a loaded profile to a run that is on disk and can be started, or started again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from quantflow.config.load import override_settings as override
from quantflow.config.profile import Profile
from quantflow.data.cache import StageCache
from quantflow.data.store import ArtifactStore
from quantflow.errors import unknown_name
from quantflow.runs.layout import Layout
from quantflow.runs.plan import Planned, Planner
from quantflow.runs.record import RunRecord
from quantflow.runs.taken import refuse_taken
from quantflow.stages.base import BasePipelineStage, SelectionContext, check_wiring
from quantflow.stages.registry import SELECTION, StageRegistry


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
    refuse_taken(record)
    check_wiring([StageRegistry.get(name) for name in SELECTION])
    record.create(
        {
            "kind": "selection",
            "profile": profile.name,
            "as_of": as_of.isoformat(),
            "settings": profile.settings(),
            "sources": dict(profile.sources),
            "stages": list(SELECTION),
            "store": profile.execution.store,
            "parent": dict(parent) if parent else None,
        }
    )
    return record


def layout_of(record: RunRecord) -> Layout:
    """Return where the run's artifacts and cached results lie."""
    return Layout.of(record.workspace, record.header.get("store"))


def pipeline(record: RunRecord) -> list[BasePipelineStage[Any]]:
    """Return the run's stages, in order."""
    return [StageRegistry.get(name) for name in record.stages]


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
    return Planner(record.run_id, record.settings, cache, records, frozenset(forced))


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
    return Planner("", settings, cache, {}).plan([StageRegistry.get(name) for name in SELECTION])


def with_settings(record: RunRecord, overrides: Sequence[str], *, write: bool) -> RunRecord:
    """Return the run with some settings changed; only stages that read them will run again.

    Args:
        record: The run.
        overrides: ``section.key=value`` lines.
        write: Whether the run's record is changed too, or only the copy that is returned.

    Raises:
        ConfigError: If a value is wrong.
    """
    profile = override(record.header["profile"], record.header["settings"], overrides)
    changes = {"settings": profile.settings(), "sources": {**record.header["sources"], **profile.sources}}
    if write:
        record.update(**changes)
        return RunRecord(record.workspace, record.run_id)
    copy = RunRecord(record.workspace, record.run_id)
    copy.__dict__["header"] = {**record.header, **changes}
    return copy
