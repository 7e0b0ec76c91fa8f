"""A run without Prefect: its stages executed in this process, its record as a flow would leave it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from processes import SMALL
from quantflow.config.load import load_meta, load_profile
from quantflow.pipeline.keys import fingerprint
from quantflow.review.facts import facts_of
from quantflow.runs.create import create_run
from quantflow.runs.exports import export
from quantflow.runs.record import StageRecord
from quantflow.runs.run import Run

AS_OF = date(2022, 12, 28)


def ran(home: Path, *overrides: str, profile: str = "demo", as_of: date = AS_OF, until: str = "") -> Run:
    """Run a profile up to the stage *until*, or to its end; the report is only noted, with pages that say nothing."""
    loaded = load_profile(profile, workspace=home, overrides=[*SMALL, *overrides] if profile == "demo" else overrides)
    return executed(create_run(loaded, home, as_of), until)


def ran_meta(home: Path, meta: str, *overrides: str, as_of: date = AS_OF) -> Run:
    """Run the sleeves of a meta profile, which are profiles, one after the other, and then its own stages."""
    record = create_run(load_meta(meta, workspace=home, overrides=overrides), home, as_of)
    for sleeve in record.sleeves:
        executed(sleeve.run)
    return executed(record)


def executed(record: Run, until: str = "") -> Run:
    """Run the stages of a created run."""
    context = record.context()
    for stage in record.pipeline():
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
    return record.again()
