"""What changed from the run before, for the newest runs of each profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from quantflow.review.compare import compare
from quantflow.runs.kinds import Sweep
from quantflow.runs.run import Run
from quantflow.types import Json
from quantflow.ui.site.detail import remembering

LATEST = 3
"""Runs per profile whose difference from the one before is worked out beforehand; ``quantflow diff`` has any other."""


def pairs(runs: Sequence[Run]) -> Iterator[tuple[Run, Run]]:
    """Yield the newest complete runs of each profile, each after the one that ``quantflow diff`` compares it with.

    Args:
        runs: Oldest first; those of sleeves left out.
    """
    complete = [run for run in runs if run.state == "completed" and not isinstance(run, Sweep)]
    for key in dict.fromkeys((run.header.kind, run.profile) for run in complete):
        own = [run for run in complete if (run.header.kind, run.profile) == key]
        for after in own[-LATEST:]:
            earlier = [run for run in own if run.header.sequence < after.header.sequence]
            decided = [run for run in earlier if after.header.decision.hold or not run.header.decision.hold]
            if decided:
                yield decided[-1], after


def latest_decided(runs: Sequence[Run]) -> set[str]:
    """Return the ids of the newest complete runs of each profile that decided: those of sleeves too."""
    complete = [run for run in runs if run.state == "completed" and not isinstance(run, Sweep)]
    decided = [run for run in complete if run.decided_by == run.id]
    by_profile: dict[str, list[str]] = {}
    for run in decided:
        by_profile.setdefault(run.profile, []).append(run.id)
    return {name for names in by_profile.values() for name in names[-LATEST:]}


def change_of(before: Run, after: Run) -> Json:
    """Return what differs between two runs, as ``quantflow diff --json`` has it without the bridge."""
    return asdict(compare(remembering(before), remembering(after)))
