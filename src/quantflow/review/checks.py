"""The data checks of a run: from its artifact, or from its error when they stopped it."""

from __future__ import annotations

from quantflow.errors import ConfigError
from quantflow.runs.kinds import Meta
from quantflow.runs.run import Run
from quantflow.types import Json

ARTIFACT = "checks"


def checks_of(run: Run) -> Json:
    """Return the record of the run's data checks; see ``quantflow.data.quality.checks.checks_record``.

    Where the run came to its walk-forward, ``universe`` says how many of its names stopped trading during it; see
    ``quantflow.data.quality.history.mortality``.

    Args:
        run: A selection run whose ingestion is over, well or not.

    Raises:
        ConfigError: If it has none: a meta run, or one whose data were not checked.
    """
    if isinstance(run, Meta):
        example = next((f"For example: quantflow check data {leaf.link.run_id}" for leaf in run.leaves()), None)
        raise ConfigError(f"{run.id} is a meta run; its sleeves have the checks.", hint=example)
    if ARTIFACT in run.outputs:
        universe = run.load("metrics").get("universe") if "metrics" in run.outputs else None
        return {**run.load(ARTIFACT), **({"universe": universe} if universe else {})}
    found = ((run.failed.error or {}).get("context") or {}).get(ARTIFACT) if run.failed else None
    if isinstance(found, dict):
        return found
    raise ConfigError(
        f"The data of run {run.id} were not checked: it is {run.state}.",
        hint=f"quantflow inspect {run.id} shows how far it came.",
    )
