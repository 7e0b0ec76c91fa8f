"""What MLflow is told of a run: settings as parameters, figures as metrics, and the files that people read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import mlflow

from quantflow.errors import ConfigError
from quantflow.runs.outcome import outcome
from quantflow.runs.run import Run

RUN = "quantflow.run_id"
LONGEST = 500
"""Characters of a parameter: MLflow's older servers take no more."""


def export(run: Run) -> str:
    """Write a complete run to the tracking server that MLflow's own settings name, in the experiment of its profile.

    A run that is there already is written over, so that the command can be repeated.

    Returns:
        MLflow's run id.

    Raises:
        ConfigError: If the run is not complete.
    """
    if run.state != "completed":
        raise ConfigError(f"Run {run.id} is {run.state}: only a complete run is exported.", hint="quantflow inspect")
    found, experiment = outcome(run), mlflow.set_experiment(run.profile)
    with mlflow.start_run(run_id=_known(experiment.experiment_id, run.id), run_name=run.id) as active:
        mlflow.set_tags({RUN: run.id, "quantflow.as_of": run.as_of.isoformat(), "quantflow.kind": run.header.kind})
        mlflow.log_params(dict(parameters(run.settings)))
        mlflow.log_metrics(dict(figures(found.metrics)))
        for path in found.files.values():
            mlflow.log_artifact(path)
    return str(active.info.run_id)


def _known(experiment: str, run_id: str) -> str | None:
    found = mlflow.search_runs([experiment], f"tags.`{RUN}` = '{run_id}'", output_format="list")
    return str(found[0].info.run_id) if found else None


def parameters(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each setting as ``section.key`` and its value as JSON."""
    for section, values in settings.items():
        pairs = {f"{section}.{key}": value for key, value in values.items()} if isinstance(values, dict) else {}
        for name, value in (pairs or {section: values}).items():
            yield name, json.dumps(value, default=str)[:LONGEST]


def figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield each number of each series as ``series.figure``; what is undefined is left out."""
    for series, found in metrics.items():
        for name, value in found.items() if isinstance(found, dict) else ():
            if isinstance(value, int | float) and math.isfinite(value):
                yield f"{series}.{name}", float(value)
