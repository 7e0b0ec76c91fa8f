"""What a run has made so far, to be read by whoever explains, compares or publishes it."""

from __future__ import annotations

from quantflow.pipeline.stage import SelectionContext
from quantflow.runs.request import layout_of
from quantflow.runs.status import RunStatus


def results(run: RunStatus) -> SelectionContext:
    """Return a context that loads the run's artifacts; it has no settings, so no stage can run in it."""
    record = run.record
    return SelectionContext(record.run_id, "", record.as_of, {}, layout_of(record).store, run.outputs)


def weights_of(run: RunStatus) -> dict[str, float]:
    """Return the run's weights by symbol, signed fractions of capital; empty when it has none."""
    if "weights" not in run.outputs:
        return {}
    return {str(name): float(weight) for name, weight in results(run).load("weights")["weight"].items()}
