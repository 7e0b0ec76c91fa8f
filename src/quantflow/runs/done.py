"""Whether there is anything to do: a complete run of the same settings, session, code and source data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from quantflow.config.profile import MetaProfile
from quantflow.config.sweeps.sweep import AnyProfile
from quantflow.errors import QuantflowError
from quantflow.runs.create import source_of
from quantflow.runs.decision import decided
from quantflow.runs.find import list_runs
from quantflow.runs.run import Run
from quantflow.runs.sleeves import config_hash


@dataclass(frozen=True)
class AlreadyDone:
    """There is nothing to run.

    Attributes:
        run: The complete run of this profile, session, code and data.
    """

    run: Run


def find_done(profile: AnyProfile, workspace: Path, as_of: date, *, by_hand: bool = False) -> Run | None:
    """Return the newest complete run that makes a new one unnecessary; None when there is none.

    That is one of the same profile, settings and session, which decided a portfolio if a new one would, whose stages
    would all be reused, and whose source data look as they do now.
    """
    hold = decided(profile, workspace, as_of, by_hand=by_hand)[0].hold
    wanted = config_hash(profile.settings(), as_of.isoformat())
    source = source_of(profile)
    for run in reversed(list_runs(workspace)):
        same = run.state == "completed" and _is(run, profile.name, wanted, source)
        if same and run.header.decision.hold == hold and _stands(run, profile):
            return run
    return None


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
    return run.profile == profile and run.config_hash == wanted and run.header.source == source


def _stands(run: Run, profile: AnyProfile) -> bool:
    """Whether a resume of the run would do nothing: same code, sound artifacts, all sleeves there, as they would be."""
    try:
        if isinstance(profile, MetaProfile) and not same_sleeves(run, profile):
            return False
        return all(line.action == "reuse" for line in run.plan()) and all(sleeve.result for sleeve in run.sleeves)
    except QuantflowError:
        return False
