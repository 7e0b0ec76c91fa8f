"""What was tried on the same data: the runs whose settings differ and whose data overlap.

A Sharpe ratio that is the best of many says less than one of a single trial. The runs of a workspace are the trials:
one per distinct settings that change weights, no matter on how many sessions they were run. Trials whose return streams
are variants of one another form clusters, whose number is the effective one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.operation import CostsConfig
from quantflow.errors import QuantflowError
from quantflow.quant.research.effective import Effective, effective
from quantflow.quant.significance import estimate
from quantflow.runs.find import find_run, list_runs
from quantflow.runs.header import Trial
from quantflow.runs.kinds import Selection
from quantflow.runs.run import Run
from quantflow.types import Settings

if TYPE_CHECKING:
    import pandas as pd

UNWEIGHTED = frozenset({"as_of", "execution", "report", "publish", "orders", "schedule"})
"""Sections that change no weight."""

FIGURES = frozenset({*CostsConfig.model_fields, "costs", "benchmark", "lags"})
"""Keys of ``validation`` that change what is said of weights, and no weight."""

CONTRACT = frozenset({"start", "min_sessions", "quarantine_budget", "spike_mad"})
"""Keys of ``data`` that, with ``max_…`` and ``on_…``, say what is taken of the source, not which source it is."""


LEAST = 63
"""Common sessions that a comparison of streams needs: a quarter of a year."""


def settings_hash(settings: Settings) -> str:
    """Return a hash of the settings that change weights: the same on every session."""
    kept = {name: value for name, value in settings.items() if name not in UNWEIGHTED}
    kept["validation"] = {key: value for key, value in settings.get("validation", {}).items() if key not in FIGURES}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def tried(settings: Settings, as_of: date, workspace: Path) -> tuple[Trial, ...]:
    """Return the other settings that complete runs of a workspace have tried on the same source and span, by hash.

    A run of a session without a decision is none: it has no walk-forward, and the settings count by an earlier run.

    Args:
        settings: Those of the run that is asked for, which are not a trial of themselves.
        as_of: Its session.
        workspace: Where runs are looked for, those of sleeves too.
    """
    newest: dict[str, Run] = {}
    own = settings_hash(settings)
    for run in walked(workspace):
        hashed = settings_hash(run.header.settings)
        if hashed not in {own, *newest} and _same_source(settings, as_of, run) and run.state == "completed":
            newest[hashed] = run
    return tuple(trial for hashed in sorted(newest) if (trial := trial_of(newest[hashed])) is not None)


def walked(workspace: Path) -> list[Selection]:
    """Return the selection runs of a workspace that have a walk-forward or will have one, newest first, sleeves too."""
    runs = reversed(list_runs(workspace, sleeves=True))
    return [run for run in runs if isinstance(run, Selection) and not run.header.decision.hold]


def trial_of(run: Run) -> Trial | None:
    """Return a complete run as a trial; None when its figures are undefined, or can no longer be read."""
    try:
        metrics = run.load("metrics")
    except (QuantflowError, OSError):  # an old run's lost artifact must not keep new runs from starting
        return None
    sharpe = metrics["strategy"]["sharpe"]
    if sharpe is None:
        return None
    return Trial(settings_hash(run.header.settings), run.id, sharpe / sqrt(metrics["annualisation"]))


def stream_of(run: Run) -> pd.Series:
    """Return a run's walk-forward returns after costs, by session.

    Raises:
        IntegrityError, StageError: If it has none, or they can no longer be read.
    """
    return run.load("oos_returns")["net"]


def streams_of(workspace: Path, trials: Iterable[Trial]) -> list[pd.Series | None]:
    """Return the stream of each trial; None for one that can no longer be read."""
    found: list[pd.Series | None] = []
    for trial in trials:
        try:
            found.append(stream_of(find_run(workspace, trial.run_id)))
        except (QuantflowError, OSError):  # removed since: it was tried all the same
            found.append(None)
    return found


def clustered(run: Run, trials: Sequence[Trial]) -> Effective:
    """Return the clusters of a run's own stream, the first label, and of those of its trials, in order.

    They are compared on the sessions that all have. A trial whose stream is gone, or has less than half of the run's
    sessions, is a cluster of its own; so is each where fewer than ``LEAST`` sessions are common to all.
    """
    import pandas as pd

    own = stream_of(run)
    parts = {0: own}
    for number, stream in enumerate(streams_of(run.workspace, trials), start=1):
        if stream is not None and 2 * len(own.index.intersection(stream.index)) >= len(own):
            parts[number] = stream
    common = pd.concat(list(parts.values()), axis=1, join="inner").to_numpy(dtype=np.float64)
    if len(common) < LEAST:
        parts, common = {}, common[:, :0]
    found = effective(common)
    labels = np.full(len(trials) + 1, -1, dtype=np.int64)
    labels[list(parts)] = found.labels
    alone = np.flatnonzero(labels < 0)
    labels[alone] = found.number + np.arange(len(alone))
    itself = estimate(own.to_numpy(dtype=np.float64))
    ratios = [itself.ratio if itself else 0.0, *(trial.ratio for trial in trials)]
    return Effective(labels, np.append(found.ratios, np.array(ratios)[alone]), found.equivalent + len(alone))


def share_names(run: Run, trial: Trial) -> bool:
    """Whether a run and a trial have half of the names of the smaller one in common; if that is not known, they do."""
    try:
        names, others = (_names(each) for each in (run, find_run(run.workspace, trial.run_id)))
    except (QuantflowError, OSError):  # removed since: it was tried all the same
        return True
    return 2 * len(names & others) >= min(len(names), len(others))


def _names(run: Run) -> set[str]:
    return set(map(str, run.load("features").index))


def _same_source(settings: Settings, as_of: date, run: Run) -> bool:
    """Whether a run read the same source, on a span of dates that overlaps."""
    mine, its = settings["data"], run.header.settings["data"]
    if _source(mine) != _source(its):
        return False
    starts: Iterable[str] = (str(data["start"]) for data in (mine, its) if data.get("start"))
    return max(starts, default="") <= min(as_of, run.as_of).isoformat()


def _source(data: Mapping[str, Any]) -> dict[str, Any]:
    taken = ("max_", "on_")
    return {key: value for key, value in data.items() if key not in CONTRACT and not key.startswith(taken)}
