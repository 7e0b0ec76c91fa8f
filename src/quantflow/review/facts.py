"""What a run's own report says of the run: profile, timings, counts, provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from quantflow.review.restated import restatement
from quantflow.runs.book import current
from quantflow.runs.record import RunRecord, StageRecord
from quantflow.runs.sleeves import links, result_of


def facts_of(record: RunRecord) -> dict[str, Any]:
    """Return the record that control stages read under the artifact name ``run``."""
    header = record.header
    stages = [found for name in record.stages if (found := record.stage(name)) is not None and found.state == "done"]
    return {
        "run_id": record.run_id,
        "profile": header["profile"],
        "as_of": header["as_of"],
        "created": header["created"],
        "kind": header["kind"],
        **(_sleeves(record) if header["kind"] == "meta" else {}),
        "parent": (header.get("parent") or {}).get("run_id"),
        "degraded": any(stage.summary.degraded for stage in stages),
        "notes": [
            *(f"{stage.stage}: {stage.summary.note}" for stage in stages if stage.summary.degraded),
            *_restated(record, stages),
        ],
        "former": _former(record),
        "versions": header["versions"],
        "cpu": header["cpu"],
        "config": header["settings"],
        "stages": [
            {
                "id": stage.stage,
                "state": stage.state,
                "seconds": stage.seconds,
                "attempt": stage.attempt,
                "entered": stage.summary.entered,
                "left": stage.summary.left,
                "note": stage.summary.note,
                "cached": stage.cached,
                "made": {name: ref.sha256 for name, ref in stage.outputs.items()},
            }
            for stage in stages
        ],
    }


def _former(record: RunRecord) -> dict[str, Any] | None:
    """Return the book that the run's weights are to replace; None when it is the run's own, or of a later session."""
    book = current(record.workspace, record.header["profile"])
    if book is None or book.run_id == record.run_id or book.as_of > record.header["as_of"]:
        return None
    return {"run_id": book.run_id, "as_of": book.as_of, "weights": dict(book.weights)}


def _restated(record: RunRecord, stages: Sequence[StageRecord]) -> list[str]:
    found = restatement(record, {name: ref for stage in stages for name, ref in stage.outputs.items()})
    return [f"restated history: {found.line}"] if found else []


def _sleeves(record: RunRecord) -> dict[str, Any]:
    """Return the sleeves that have a result, each with its link, and those that have none."""
    found = [(link, result_of(link, record.workspace)) for link in links(record)]
    return {
        "sleeves": [
            {
                **vars(link),
                "sleeve": result.sleeve,
                "made_under": result.config_hash,
                "as_of": result.as_of,
                "degraded": result.degraded,
                "outputs": {name: asdict(ref) for name, ref in result.outputs.items()},
            }
            for link, result in found
            if result is not None
        ],
        "failed": [
            {"id": failure["sleeve"], "stage": failure["stage"], "message": failure["message"]}
            for failure in record.header.get("failed", [])
        ],
    }
