"""Whether there is anything to do: a complete run of the same settings, session, code and source data.

To plan a run again takes its stages, and the libraries that they compute with. So what a plan found is kept beside the
run: a mark of all that a plan is made from, its artifacts apart, which are looked at each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from quantflow.config.extensions import ALLOCATIONS, SCORERS, modules_of
from quantflow.config.plugins import specs_of
from quantflow.config.profile import MetaProfile
from quantflow.config.sweeps.sweep import AnyProfile
from quantflow.data.store import write_atomic
from quantflow.errors import InfrastructureError, QuantflowError
from quantflow.pipeline.code_version import numeric_versions, package_version
from quantflow.runs.create import source_of
from quantflow.runs.decision import decided
from quantflow.runs.find import list_runs
from quantflow.runs.kinds import Selection, Unreadable
from quantflow.runs.run import Run
from quantflow.runs.sleeves import config_hash

STANDS = ".stands"
"""The file of a run's folder that has the mark."""


@dataclass(frozen=True)
class AlreadyDone:
    """There is nothing to run.

    Attributes:
        run: The complete run of this profile, session, code and data.
    """

    run: Run


def may_be_done(profile: AnyProfile, workspace: Path) -> bool:
    """Whether there is a run of the same profile and settings on some session, whose source data look as they do now.

    Where there is none, nothing is done already, and nothing more need be looked at.
    """
    settings, source = profile.settings(), source_of(profile)
    runs = (run for run in list_runs(workspace) if not isinstance(run, Unreadable) and run.profile == profile.name)
    return any(_is(run, profile.name, config_hash(settings, run.as_of.isoformat()), source) for run in runs)


def find_done(
    profile: AnyProfile, workspace: Path, as_of: date, *, by_hand: bool = False, at_once: bool = False
) -> Run | None:
    """Return the newest complete run that makes a new one unnecessary; None when there is none.

    That is one of the same profile, settings and session, which decided a portfolio if a new one would, whose stages
    would all be reused, and whose source data look as they do now.

    Args:
        profile: What would be run.
        workspace: Where.
        as_of: The session.
        by_hand: Whether a portfolio is asked for in any case.
        at_once: Whether to return only a run of which that is known without planning it.
    """
    hold = decided(profile, workspace, as_of, by_hand=by_hand)[0].hold
    wanted = config_hash(profile.settings(), as_of.isoformat())
    source = source_of(profile)
    for run in reversed(list_runs(workspace)):
        if isinstance(run, Unreadable) or not _is(run, profile.name, wanted, source) or run.state != "completed":
            continue
        if run.header.decision.hold == hold and (_is_known_to_stand(run) or (not at_once and _stands(run, profile))):
            return run
    return None


def note_standing(run: Run) -> None:
    """Note of a complete run that a plan made now would reuse all of it; nothing where that cannot be noted."""
    if (mark := _mark(run)) is not None:
        with suppress(InfrastructureError):  # it saves time alone
            write_atomic(run.folder / STANDS, mark.encode())


def _is_known_to_stand(run: Run) -> bool:
    try:
        noted = (run.folder / STANDS).read_bytes().decode()
    except (OSError, ValueError):
        return False
    return noted == _mark(run) and all(run.store.verify(ref) for ref in run.outputs.values())


def _mark(run: Run) -> str | None:
    """Return what changes with anything that a plan of the run is made from, its artifacts apart.

    None where more than that has a say: stages, scorers and methods of other packages, whose code may be anywhere, and
    which may read variables and files; and the runs of sleeves.
    """
    if type(run) is not Selection or specs_of(run.header.settings) or modules_of(SCORERS) or modules_of(ALLOCATIONS):
        return None
    try:
        records = [path.read_bytes() for path in _records(run)]
    except OSError:
        return None
    facts = [package_version(), *numeric_versions(), *(hashlib.sha256(record).hexdigest() for record in records)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _records(run: Run) -> Iterator[Path]:
    yield run.folder / "run.json"
    yield from sorted((run.folder / "stages").glob("*.json"))


def same_sleeves(run: Run, meta: MetaProfile) -> bool:
    """Whether the sleeves of a meta run, at any depth, had the settings that their profiles have now."""
    for sleeve in run.sleeves:
        if sleeve.link.pinned:  # its run is named in the meta profile's own settings
            continue
        profile = meta.resolved[sleeve.name]
        if sleeve.link.config_hash != config_hash(profile.settings(), run.as_of.isoformat()):
            return False
        if isinstance(profile, MetaProfile) and not same_sleeves(sleeve.run, profile):
            return False
    return True


def _is(run: Run, profile: str, wanted: str, source: str | None) -> bool:
    same = run.profile == profile and run.config_hash == wanted and run.header.source == source
    return same and not run.header.until


def _stands(run: Run, profile: AnyProfile) -> bool:
    """Whether a resume of the run would do nothing: same code, sound artifacts, all sleeves there, as they would be."""
    try:
        if isinstance(profile, MetaProfile) and not same_sleeves(run, profile):
            return False
        stands = all(line.action == "reuse" for line in run.plan()) and all(sleeve.result for sleeve in run.sleeves)
    except QuantflowError:
        return False
    if stands:
        note_standing(run)
    return stands
