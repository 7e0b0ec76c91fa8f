"""How long stages took before: what is known of a stage that does not say how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from quantflow.pipeline.advance import duration
from quantflow.runs.find import list_runs
from quantflow.runs.run import Run
from quantflow.ui.progress.rows import Row

PATIENCE_SECONDS = 2.0
"""A stage that is over sooner needs no forecast."""


def usual_seconds(run: Run) -> Mapping[str, float]:
    """Return how long each stage took in the newest run of the same profile that computed it; not those of no run."""
    found: dict[str, float] = {}
    for each in reversed(list_runs(run.workspace)):
        if len(found) == len(run.header.stages):
            break
        if each.id != run.id and each.state == "completed" and each.profile == run.profile:
            for name, stage in each.stages.items():
                if stage is not None and stage.seconds is not None and not stage.cached:
                    found.setdefault(name, stage.seconds)
    return found


def forecast(seconds: float, usual: float | None) -> str:
    """Return how long a stage that has run for some seconds will still take, if it takes as long as it did before."""
    if usual is None or seconds < PATIENCE_SECONDS:
        return ""
    return f"about {duration(usual - seconds)} left" if seconds < usual else f"took {duration(usual)} last time"


class Forecasts:
    """Says of running stages that say nothing themselves how long they will still take.

    Args:
        run: The run; what earlier ones took is looked up when it is first needed.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    @cached_property
    def _usual(self) -> Mapping[str, float]:
        return usual_seconds(self._run)

    def on(self, row: Row) -> Row:
        """Return *row*, with a forecast as its note where it has none."""
        if row.note or row.part or row.state != "running" or (row.seconds or 0.0) < PATIENCE_SECONDS:
            return row
        return replace(row, note=forecast(row.seconds or 0.0, self._usual.get(row.name)))
