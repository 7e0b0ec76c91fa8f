"""What a sweep would do: how often each stage runs, how often it is shared, and about how long that takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median

from quantflow.config.load import vary_settings
from quantflow.config.sweeps.sweep import SweepProfile
from quantflow.errors import ConfigError
from quantflow.pipeline.arrange import pipeline_of, up_to
from quantflow.pipeline.stage import PROFILE, Stage
from quantflow.runs.find import list_runs
from quantflow.runs.kinds import Selection
from quantflow.runs.research.trial import PROVEN
from quantflow.types import Json, Settings


@dataclass(frozen=True)
class Shared:
    """One stage of a sweep.

    Attributes:
        stage: Its id.
        computed: How many times it runs, at most: so many different settings and inputs it has.
        reused: How many trials take what was made for another.
        seconds: What one run of it took lately; None when that is not known.
    """

    stage: str
    computed: int
    reused: int
    seconds: float | None


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep would do.

    Attributes:
        trials: How many trials it has.
        invalid: How many of them are combinations of values that are not valid.
        workers: Processes that play trials.
        stages: Its trials' stages, in order.
    """

    trials: int
    invalid: int
    workers: int
    stages: tuple[Shared, ...]

    @property
    def seconds(self) -> float | None:
        """About how long the trials take; None when nothing is known of a stage."""
        known = [stage.computed * stage.seconds for stage in self.stages if stage.seconds is not None]
        return sum(known) / self.workers if len(known) == len(self.stages) else None

    def json(self) -> Json:
        """Return the plan as JSON values, with ``seconds``."""
        return {**asdict(self), "seconds": self.seconds}


def plan_sweep(swept: SweepProfile, workspace: Path, as_of: date) -> SweepPlan:
    """Return what a new sweep would do; nothing is written.

    A stage is shared where its own settings and all that it depends on are the same. That two settings give the same
    result is not known before it is computed, so more may be shared than this says.

    Args:
        swept: The sweep.
        workspace: Where; the newest runs of the profile there say how long stages take.
        as_of: The last session.
    """
    base, invalid = swept.base.settings(), 0
    seen: dict[str, set[int]] = {}
    players: dict[str, int] = {}
    for variant in swept.config.variants():
        try:
            settings = vary_settings(swept.name, base, variant, workspace).settings()
        except ConfigError:
            invalid += 1
            continue
        given = {**settings, "as_of": as_of.isoformat(), PROFILE: swept.name}
        for stage_id, mark in _marks(up_to(pipeline_of(given), PROVEN), given).items():
            seen.setdefault(stage_id, set()).add(mark)
            players[stage_id] = players.get(stage_id, 0) + 1
    took = _durations(swept.name, workspace)
    stages = tuple(
        Shared(stage_id, len(marks), players[stage_id] - len(marks), took.get(stage_id))
        for stage_id, marks in seen.items()
    )
    workers = swept.execution.workers or os.cpu_count() or 1
    return SweepPlan(len(swept.config.variants()), invalid, workers, stages)


def _marks(stages: Sequence[Stage], settings: Settings) -> dict[str, int]:
    """Return a mark of each stage's settings and of the stages that it depends on."""
    marks: dict[str, int] = {}
    makers: dict[str, int] = {}
    for stage in stages:
        depends = tuple(makers[name] for name in stage.needs if name in makers)
        marks[stage.id] = hash((stage.id, stage.configured(settings).model_dump_json(), depends))
        makers |= dict.fromkeys(stage.makes, marks[stage.id])
    return marks


def _durations(profile: str, workspace: Path, runs: int = 5) -> dict[str, float]:
    """Return the median time of each stage in the newest runs of a profile, where it was not reused."""
    newest = [run for run in reversed(list_runs(workspace)) if isinstance(run, Selection) and run.profile == profile]
    took: dict[str, list[float]] = {}
    for run in newest[:runs]:
        for stage in run.stages.values():
            if stage is not None and stage.state == "done" and not stage.cached and stage.seconds is not None:
                took.setdefault(stage.stage, []).append(stage.seconds)
    return {name: median(each) for name, each in took.items()}
