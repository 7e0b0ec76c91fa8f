"""The trials on a run's data, and the run's Sharpe ratio deflated for them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

import numpy as np

from quantflow.errors import ConfigError
from quantflow.quant.significance import deflated_sharpe, estimate, interval, probabilistic_sharpe
from quantflow.runs.find import find_run, list_runs
from quantflow.runs.kinds import Selection
from quantflow.runs.run import Run
from quantflow.runs.trials import settings_hash, share_names, tried
from quantflow.types import Json


@dataclass(frozen=True)
class Row:
    """One trial.

    Attributes:
        settings: A hash of the settings that change weights.
        run_id: The newest complete run of them.
        profile: Its profile.
        as_of: Its session, ISO.
        sharpe: Its walk-forward's Sharpe ratio after costs, annualised.
        judged: Whether it is the run that is judged.
    """

    settings: str
    run_id: str
    profile: str
    as_of: str
    sharpe: float
    judged: bool


@dataclass(frozen=True)
class Trials:
    """A run compared with all trials on the same data.

    Attributes:
        run_id: The run that is judged.
        profile: Its profile.
        trials: Every trial, the highest Sharpe ratio first.
        low: Lower end of the 95 % interval of the run's own ratio, annualised.
        high: Upper end.
        probabilistic_sharpe: Probability that its true ratio is above 0, as if it were the only trial.
        deflated_sharpe: The same, given that it was chosen among the trials.
    """

    run_id: str
    profile: str
    trials: tuple[Row, ...]
    low: float
    high: float
    probabilistic_sharpe: float | None
    deflated_sharpe: float | None

    def json(self) -> Json:
        """Return them as JSON values, with the number of trials as ``number``."""
        return {**asdict(self), "number": len(self.trials)}


def trials_of(workspace: Path, profile: str | None = None) -> Trials:
    """Return the trials of a workspace on the data of a profile's newest walk-forward; of any profile when None.

    Raises:
        ConfigError: If there is no such run, or its Sharpe ratio is undefined.
        IntegrityError: If its results can no longer be read.
    """
    run = _newest(workspace, profile)
    found = estimate(run.load("oos_returns")["net"].to_numpy(dtype=np.float64))
    if found is None:
        raise ConfigError(f"The walk-forward of run {run.id} took no risk: it has no Sharpe ratio.")
    year = sqrt(run.load("metrics")["annualisation"])
    others = [trial for trial in tried(run.settings, run.as_of, workspace) if share_names(run, trial)]
    own = Row(settings_hash(run.settings), run.id, run.profile, run.as_of.isoformat(), found.ratio * year, judged=True)
    rows = [own]
    for trial in others:
        its = find_run(workspace, trial.run_id)
        rows.append(Row(trial.settings, its.id, its.profile, its.as_of.isoformat(), trial.ratio * year, judged=False))
    low, high = interval(found)
    return Trials(
        run_id=run.id,
        profile=run.profile,
        trials=tuple(sorted(rows, key=lambda row: (-row.sharpe, row.settings))),
        low=low * year,
        high=high * year,
        probabilistic_sharpe=probabilistic_sharpe(found),
        deflated_sharpe=deflated_sharpe(found, [found.ratio, *(trial.ratio for trial in others)]),
    )


def _newest(workspace: Path, profile: str | None) -> Run:
    for run in reversed(list_runs(workspace)):
        wanted = isinstance(run, Selection) and profile in (None, run.profile)
        if wanted and run.state == "completed" and not run.header.decision.hold:  # that one has no walk-forward
            return run
    whose = f"run of {profile}" if profile else "selection run"
    raise ConfigError(
        f"There is no complete {whose} with a walk-forward in {workspace}.",
        hint=f"quantflow select --profile {profile or 'demo'}",
    )
