"""A run without Prefect: its stages executed in this process, its record as a flow would leave it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from processes import SMALL
from quantflow.config.load import load_meta, load_profile
from quantflow.pipeline.keys import fingerprint
from quantflow.review.facts import facts_of
from quantflow.runs.exports import export
from quantflow.runs.record import RunRecord, StageRecord
from quantflow.runs.request import context_of, create_meta_run, create_run, pipeline
from quantflow.runs.sleeves import links
from quantflow.runs.status import RunStatus, status

AS_OF = date(2022, 12, 28)


def ran(home: Path, *overrides: str, profile: str = "demo", as_of: date = AS_OF, until: str = "") -> RunStatus:
    """Run a profile up to the stage *until*, or to its end; the report is only noted, with pages that say nothing."""
    loaded = load_profile(profile, workspace=home, overrides=[*SMALL, *overrides] if profile == "demo" else overrides)
    return executed(create_run(loaded, home, as_of), until)


def ran_meta(home: Path, meta: str, *overrides: str, as_of: date = AS_OF) -> RunStatus:
    """Run the sleeves of a meta profile, which are profiles, one after the other, and then its own stages."""
    record = create_meta_run(load_meta(meta, workspace=home, overrides=overrides), home, as_of)
    for link in links(record):
        executed(RunRecord(home, link.run_id))
    return executed(record)


def executed(record: RunRecord, until: str = "") -> RunStatus:
    """Run the stages of a created run."""
    context = context_of(record)
    for stage in pipeline(record):
        if stage.id.endswith("report"):
            record.write_stage(StageRecord(stage.id, "done"))
            for file in ("report.html", "brief.txt"):
                record.write_file(file, "nothing")
            continue
        mark = fingerprint(stage, record.scope, context.settings, context.artifacts)
        if "run" in stage.needs:
            context = replace(context, facts=facts_of(record))
        context = stage.execute(context)
        made = {name: context.artifacts[name] for name in stage.makes}
        export(record, context, made)
        summary = context.summaries[stage.id]
        record.write_stage(StageRecord(stage.id, "done", mark.key, mark.json(), outputs=made, summary=summary))
        if stage.id == until:
            break
    return status(record)
