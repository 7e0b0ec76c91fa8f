"""A run without Prefect: its stages executed in this process, its record as a flow would leave it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from processes import SMALL
from quantflow.config.load import load_profile
from quantflow.runs.exports import export
from quantflow.runs.record import StageRecord
from quantflow.runs.request import context_of, create_run, pipeline
from quantflow.runs.status import RunStatus, status
from quantflow.stages.keys import fingerprint

AS_OF = date(2022, 12, 28)


def ran(home: Path, *overrides: str, profile: str = "demo", as_of: date = AS_OF) -> RunStatus:
    """Run a profile up to its walk-forward; the report is only noted, with pages that say nothing."""
    loaded = load_profile(profile, workspace=home, overrides=[*SMALL, *overrides] if profile == "demo" else overrides)
    record = create_run(loaded, home, as_of)
    context = context_of(record)
    for stage in pipeline(record):
        if stage.id == "report":
            record.write_stage(StageRecord(stage.id, "done"))
            for file in ("report.html", "brief.txt"):
                record.write_file(file, "nothing")
            continue
        mark = fingerprint(stage, record.scope, context.settings, context.artifacts)
        context = stage.execute(context)
        made = {name: context.artifacts[name] for name in stage.makes}
        export(record, context, made)
        summary = context.summaries[stage.id]
        record.write_stage(StageRecord(stage.id, "done", mark.key, mark.json(), outputs=made, summary=summary))
    return status(record)
