"""Whether there is anything to do: a complete run of the same settings, session, code and source data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from quantflow.config.profile import MetaProfile, Profile
from quantflow.errors import QuantflowError
from quantflow.runs.record import RunRecord
from quantflow.runs.request import plan_of, source_of
from quantflow.runs.sleeves import complete_sleeves, config_hash, links
from quantflow.runs.status import RunStatus, list_runs


@dataclass(frozen=True)
class AlreadyDone:
    """There is nothing to run.

    Attributes:
        run: The complete run that has what was asked for.
    """

    run: RunStatus


def find_done(profile: Profile | MetaProfile, workspace: Path, as_of: date) -> RunStatus | None:
    """Return the newest complete run that makes a new one needless; None when there is none.

    That is one of the same profile, settings and session, whose stages would all be reused, and whose source data
    look as they do now.
    """
    wanted = config_hash(profile.settings(), as_of.isoformat())
    source = source_of(profile)
    for run in reversed(list_runs(workspace)):
        if run.state == "completed" and _is(run, profile.name, wanted, source) and _stands(run, profile):
            return run
    return None


def same_sleeves(record: RunRecord, meta: MetaProfile) -> bool:
    """Whether the sleeves of a meta run, at any depth, had the settings that their profiles have now."""
    for link in links(record):
        if link.pinned:  # its run is named in the meta profile's own settings
            continue
        profile, run = meta.resolved[link.id], RunRecord(record.workspace, link.run_id)
        if link.config_hash != config_hash(profile.settings(), record.header["as_of"]):
            return False
        if isinstance(profile, MetaProfile) and not same_sleeves(run, profile):
            return False
    return True


def _is(run: RunStatus, name: str, wanted: str, source: str | None) -> bool:
    header: Mapping[str, Any] = run.record.header
    same = header["profile"] == name and config_hash(header["settings"], header["as_of"]) == wanted
    return same and header.get("source") == source


def _stands(run: RunStatus, profile: Profile | MetaProfile) -> bool:
    """Whether a resume of the run would do nothing: same code, sound artifacts, all sleeves there, as they would be."""
    try:
        if isinstance(profile, MetaProfile) and not same_sleeves(run.record, profile):
            return False
        kept = all(line.action == "reuse" for line in plan_of(run.record))
        return kept and len(complete_sleeves(run.record)) == len(run.record.header.get("sleeves", ()))
    except QuantflowError:
        return False
