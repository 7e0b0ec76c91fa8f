"""What the page's list says of each run: a few figures, quick to read."""

from __future__ import annotations

from quantflow.runs.kinds import Sweep
from quantflow.runs.run import Run
from quantflow.types import Json, Record

FIGURES = ("sharpe", "volatility", "max_drawdown", "turnover_annual")


def row_of(run: Run) -> Json:
    """Return the row of a run; of one whose header cannot be read its id and its state alone."""
    if run.state == "unreadable":
        reason = "its record cannot be read"
        return {"id": run.id, "kind": "", "profile": "", "as_of": "", "state": "unreadable", "reason": reason}
    header = run.header
    seconds = [stage.seconds for stage in run.stages.values() if stage is not None and stage.seconds is not None]
    return {
        "id": run.id,
        "kind": header.kind,
        "profile": run.profile,
        "as_of": run.as_of,
        "state": run.state,
        "degraded": run.degraded,
        "created": header.created[:19],
        "number": header.sequence,
        "parent": header.parent.run_id if header.parent else None,
        "decision": header.decision.kind.value,
        "next": header.decision.next,
        "stages": [len(run.done), len(run.stages)],
        "seconds": sum(seconds) if seconds else None,
        "reason": reason_of(run),
        "names": None if isinstance(run, Sweep) or "weights" not in run.outputs else len(run.load("weights")),
        **_figures(run),
    }


def reason_of(run: Run) -> str:
    """Return in words why a run did not end well, or where it stands; empty for one that is complete."""
    if run.error:
        return str(run.error["message"])
    if run.failed:
        return f"{run.failed.stage}: {(run.failed.error or {}).get('message', 'it failed')}"
    if run.state in ("running", "interrupted"):
        return f"{len(run.done)} of {len(run.stages)} stages done"
    notes = [stage.summary.note for stage in run.stages.values() if stage is not None and stage.summary.degraded]
    return "; ".join(filter(None, [run.header.stale, *notes]))


def _figures(run: Run) -> Json:
    if isinstance(run, Sweep):
        found: Record = run.load("sweep")["best"] if "sweep" in run.outputs else {}
    else:
        found = run.load("metrics").get("strategy") or {} if "metrics" in run.outputs else {}
    return {name: found.get(name) for name in FIGURES}
