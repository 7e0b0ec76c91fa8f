"""What was tried on the same data: the runs whose settings differ and whose data overlap.

A Sharpe ratio that is the best of many says less than one of a single trial. The runs of a workspace are the trials:
one per distinct settings that change weights, no matter on how many sessions they were run. Trials whose return streams
are variants of one another form clusters, whose number is the effective one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from quantflow.config.operation import CostsConfig
from quantflow.errors import QuantflowError
from quantflow.quant.research.effective import Effective, effective
from quantflow.quant.significance import estimate
from quantflow.runs.find import find_run, list_runs
from quantflow.runs.header import Trial
from quantflow.runs.kinds import Selection, Sweep, open_trial
from quantflow.runs.research.trial import SweepTrial, TrialResult
from quantflow.runs.run import Run
from quantflow.types import Record, Settings

if TYPE_CHECKING:
    import pandas as pd

UNWEIGHTED = frozenset({"as_of", "profile", "execution", "signals", "report", "publish", "orders", "schedule"})
"""Sections, and facts of the run, that change no weight."""

FIGURES = frozenset({*CostsConfig.model_fields, "costs", "benchmark", "lags"})
"""Keys of ``validation`` that change what is said of weights, and no weight."""

CONTRACT = frozenset({"start", "min_sessions", "quarantine_budget", "spike_mad"})
"""Keys of ``data`` that, with ``max_…`` and ``on_…``, say what is taken of the source, not which source it is."""


T = TypeVar("T")

LEAST = 63
"""Common sessions that a comparison of streams needs: a quarter of a year."""


def settings_hash(settings: Settings) -> str:
    """Return a hash of the settings that change weights: the same on every session."""
    kept = {name: value for name, value in settings.items() if name not in UNWEIGHTED}
    kept["validation"] = {key: value for key, value in settings.get("validation", {}).items() if key not in FIGURES}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def tried(settings: Settings, as_of: date, workspace: Path) -> tuple[Trial, ...]:
    """Return the other settings that a workspace has tried on the same source and span, by hash.

    Those are complete runs, and the trials of sweeps that have succeeded, whether or not the sweep is complete. A run
    of a session without a decision is none: it has no walk-forward, and the settings count by an earlier run.

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
    found = {hashed: trial for hashed, run in newest.items() if (trial := trial_of(run)) is not None}
    for sweep, variant, result in swept(workspace):
        varies_data = any(name.startswith("data.") for name in variant.variant)
        data = (variant.settings if varies_data else variant.base)["data"]
        new = result.settings not in {own, *newest} and result.ratio is not None
        if new and _same_data(settings, as_of, data, sweep.as_of):
            found[result.settings] = Trial(result.settings, f"{sweep.id}/{variant.name}", result.ratio or 0.0)
    return tuple(trial for _, trial in sorted(found.items()))


def swept(workspace: Path) -> Iterator[tuple[Sweep, SweepTrial, TrialResult]]:
    """Yield the trials of a workspace's sweeps that have succeeded, those of the newest sweep last."""
    for run in list_runs(workspace):
        if isinstance(run, Sweep):
            for trial in run.trials:
                result = trial.result
                if result is not None and result.state == "completed":
                    yield run, trial, result


def walked(workspace: Path) -> list[Selection]:
    """Return the selection runs of a workspace that have a walk-forward or will have one, newest first, sleeves too."""
    runs = reversed(list_runs(workspace, sleeves=True))
    return [run for run in runs if isinstance(run, Selection) and not (run.header.decision.hold or run.header.until)]


def trial_of(run: Run) -> Trial | None:
    """Return a complete run as a trial; None when its figures are undefined, or can no longer be read."""
    try:
        metrics = run.load("metrics")
    except (QuantflowError, OSError):  # an old run's lost artifact must not keep new runs from starting
        return None
    ratio = ratio_of(metrics)
    return None if ratio is None else Trial(settings_hash(run.header.settings), run.id, ratio)


def ratio_of(metrics: Record) -> float | None:
    """Return the Sharpe ratio of a walk-forward per session; None when it is undefined."""
    sharpe = metrics["strategy"]["sharpe"]
    return None if sharpe is None else sharpe / sqrt(metrics["annualisation"])


def stream_of(run: Run) -> pd.Series:
    """Return a run's walk-forward returns after costs, by session.

    Raises:
        IntegrityError, StageError: If it has none, or they can no longer be read.
    """
    return run.load("oos_returns")["net"]


def streams_of(workspace: Path, trials: Iterable[Trial]) -> list[pd.Series | None]:
    """Return the stream of each trial; None for one that can no longer be read."""
    return [None if run is None else _attempted(stream_of, run) for run in runs_of(workspace, trials)]


def runs_of(workspace: Path, trials: Iterable[Trial]) -> Iterator[Run | None]:
    """Yield the run of each trial; None for one that was removed since. A sweep is read once for all of its trials."""
    sweeps: dict[str, Run | None] = {}
    for trial in trials:
        name, _, number = trial.run_id.partition("/")
        if name not in sweeps:
            sweeps[name] = _attempted(find_run, workspace, name)
        run = sweeps[name]
        yield _attempted(open_trial, run, number) if isinstance(run, Sweep) else run


def _attempted(read: Callable[..., T], *given: Any) -> T | None:
    try:
        return read(*given)
    except (QuantflowError, OSError):  # removed since: it was tried all the same
        return None


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


def sharing_names(run: Run, trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that have half of the names of the smaller one in common with a run, or may have.

    Of what was removed since it is not known: it was tried all the same.
    """
    own, known = _names(run), dict[str, set[str] | None]()
    kept = []
    for trial, its in zip(trials, runs_of(run.workspace, trials), strict=True):
        mark = its.outputs["features"].sha256 if its is not None and "features" in its.outputs else trial.run_id
        if mark not in known:
            known[mark] = None if its is None else _attempted(_names, its)
        names = known[mark]
        if names is None or 2 * len(own & names) >= min(len(own), len(names)):
            kept.append(trial)
    return kept


def _names(run: Run) -> set[str]:
    return set(map(str, run.load("features").index))


def _same_source(settings: Settings, as_of: date, run: Run) -> bool:
    return _same_data(settings, as_of, run.header.settings["data"], run.as_of)


def _same_data(settings: Settings, as_of: date, its: Record, until: date) -> bool:
    """Whether another section ``data`` is of the same source, on a span of dates that overlaps."""
    mine = settings["data"]
    if _source(mine) != _source(its):
        return False
    starts: Iterable[str] = (str(data["start"]) for data in (mine, its) if data.get("start"))
    return max(starts, default="") <= min(as_of, until).isoformat()


def _source(data: Mapping[str, Any]) -> dict[str, Any]:
    taken = ("max_", "on_")
    return {key: value for key, value in data.items() if key not in CONTRACT and not key.startswith(taken)}
