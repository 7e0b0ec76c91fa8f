"""A sweep without Prefect: created, and its trials recorded as played by choice, or played in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from quantflow.config.sweeps.sweep import load_sweep
from quantflow.errors import QuantflowError, StageError
from quantflow.pipeline.code_version import package_version
from quantflow.runs.create import create_run
from quantflow.runs.header import RunOptions
from quantflow.runs.kinds import Sweep
from quantflow.runs.record import now
from quantflow.runs.research.counted import ratio_of, settings_hash
from quantflow.runs.research.trial import SweepTrial, TrialResult, failed
from recorded import AS_OF

TWO_BY_TWO = {"policy.top_n": [1, 2], "allocation.method": ["hrp", "equal_weight"]}
"""Four trials; the method is the slower one to change."""


def sweep(
    home: Path,
    over: Mapping[str, Sequence[Any]] = TWO_BY_TWO,
    *overrides: str,
    run_id: str = "s",
    fresh: bool = False,
    **given: Any,
) -> Sweep:
    """Create a sweep of the demo, and no more."""
    wanted = {"profile": "demo", "over": {name: list(values) for name, values in over.items()}, **given}
    loaded = load_sweep(None, workspace=home, given=wanted, overrides=overrides)
    run = create_run(loaded, home, AS_OF, run_id, RunOptions(fresh=fresh))
    assert isinstance(run, Sweep)
    return run


def stream(seed: int, mean: float = 0.0005, sessions: int = 500) -> pd.DataFrame:
    """A walk-forward's returns."""
    rng = np.random.default_rng(seed)
    gross = rng.normal(mean, 0.01, sessions)
    cost = np.full(sessions, 0.0001)
    columns = {"net": gross - cost, "gross": gross, "cost": cost, "turnover": cost * 100}
    index = pd.bdate_range(end=AS_OF, periods=sessions, name="date")
    return pd.DataFrame({**columns, "equal_weight": rng.normal(mean, 0.01, sessions)}, index=index)


def done(run: Sweep, trial: SweepTrial, returns: pd.DataFrame | None = None) -> TrialResult:
    """Record that a trial succeeded, with these returns."""
    returns = stream(trial.number) if returns is None else returns
    net, year = returns["net"], 252
    sharpe = float(net.mean() / net.std(ddof=1) * year**0.5) if net.std() else None
    metrics = {"annualisation": year, "strategy": {"sharpe": sharpe}}
    weights = pd.DataFrame({"weight": [1.0]}, index=pd.Index(["KO"], name="symbol"))
    features = pd.DataFrame({"momentum": [0.1]}, index=pd.Index(["KO"], name="symbol"))
    made = {"oos_returns": returns, "metrics": metrics, "weights": weights, "features": features}
    outputs = {name: run.store.put(name, value) for name, value in made.items()}
    keys = {"ingestion": f"ingestion-{trial.number}", "validation": f"validation-{trial.number}"}
    hashed = settings_hash(trial.settings)
    result = TrialResult(trial.number, "completed", outputs, keys, ("validation",), hashed, ratio_of(metrics))
    result = replace(result, seconds=1.5, ended=now(), made_by=package_version())
    trial.write(result)
    return result


def fails(trial: SweepTrial, error: QuantflowError | None = None) -> None:
    """Record that a trial failed."""
    trial.write(failed(trial, error or StageError("No winners."), 0.5))
