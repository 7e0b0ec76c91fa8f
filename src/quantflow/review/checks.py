"""The data checks of a run: from its artifact, or from its error when they stopped it."""

from __future__ import annotations

from typing import Any

from quantflow.errors import ConfigError
from quantflow.pipeline.stage import SelectionContext
from quantflow.runs.request import layout_of
from quantflow.runs.sleeves import leaves
from quantflow.runs.status import RunStatus

ARTIFACT = "checks"


def checks_of(run: RunStatus) -> dict[str, Any]:
    """Return the record of the run's data checks; see ``quantflow.data.checks.checks_record``.

    Args:
        run: A selection run whose ingestion is over, well or not.

    Raises:
        ConfigError: If it has none: a meta run, or one whose data were not checked.
    """
    record = run.record
    if run.state != "unreadable" and record.header["kind"] == "meta":
        sleeves = leaves(record)
        raise ConfigError(
            f"{record.run_id} is a meta run; its sleeves have the checks.",
            hint=f"For example: quantflow checks {sleeves[0].link.run_id}" if sleeves else None,
        )
    for stage in run.stages.values():
        if stage is not None and ARTIFACT in stage.outputs:
            refs = {ARTIFACT: stage.outputs[ARTIFACT]}
            context = SelectionContext(record.run_id, "", record.as_of, {}, layout_of(record).store, refs)
            return dict(context.load(ARTIFACT))
        if stage is not None and stage.error and (found := (stage.error.get("context") or {}).get(ARTIFACT)):
            return dict(found)
    raise ConfigError(
        f"The data of run {record.run_id} were not checked: it is {run.state}.",
        hint=f"quantflow inspect {record.run_id} shows how far it came.",
    )
