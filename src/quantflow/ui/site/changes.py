"""What changed from the run before, for the newest runs of each profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice

from quantflow.review.compare import compare
from quantflow.runs.kinds import Sweep, Unreadable
from quantflow.runs.run import Run
from quantflow.types import Json
from quantflow.ui.site.detail import remembering

LATEST = 3
"""Runs per profile whose difference from the one before is worked out beforehand; ``quantflow diff`` has any other."""


def pairs(runs: Sequence[Run]) -> Iterator[tuple[Run, Run]]:
    """Yield the newest complete runs of each profile, each after the one that ``quantflow diff`` compares it with.

    Args:
        runs: Those that are complete, oldest first; those of sleeves and sweeps left out.
    """
    for own in _by_profile(runs).values():
        for number, after in enumerate(own[-LATEST:], start=max(0, len(own) - LATEST)):
            earlier = own[:number]
            decided = (run for run in reversed(earlier) if after.header.decision.hold or not run.header.decision.hold)
            if before := next(decided, None):
                yield before, after


def latest_decided(runs: Sequence[Run]) -> set[str]:
    """Return the ids of the newest complete runs of each profile that decided: those of sleeves too.

    Args:
        runs: All, oldest first.
    """
    found: set[str] = set()
    decided = [run for run in runs if not isinstance(run, Unreadable) and run.decided_by == run.id]
    for own in _by_profile(decided).values():
        found.update(run.id for run in islice((run for run in reversed(own) if run.state == "completed"), LATEST))
    return found


def _by_profile(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if not isinstance(run, Sweep):
            found.setdefault((run.header.kind, run.profile), []).append(run)
    return found


def change_of(before: Run, after: Run) -> Json:
    """Return what differs between two runs, as ``quantflow diff --json`` has it without the bridge."""
    return asdict(compare(remembering(before), remembering(after)))
