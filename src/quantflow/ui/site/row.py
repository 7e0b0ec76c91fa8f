"""What the page's list says of each run: a few figures, quick to read."""

from __future__ import annotations

from quantflow.runs.run import Run
from quantflow.types import Json, Record

FIGURES = ("sharpe", "volatility", "max_drawdown", "turnover_annual")


def row_of(run: Run, content: Record) -> Json:
    """Return the row of a run whose header can be read.

    Args:
        run: The run.
        content: What ``content_of`` found in it.
    """
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
        "names": len(content["weights"]) if content["weights"] else None,
        **{name: _best(content).get(name) for name in FIGURES},
    }


def reason_of(run: Run) -> str:
    """Return in words why a run did not end well, or where it stands; empty for one that is complete."""
    if run.error:
        return str(run.error["message"])
    if run.failed:
        return f"{run.failed.stage}: {(run.failed.error or {}).get('message', 'it failed')}"
    if run.state in ("running", "interrupted"):
        return f"{len(run.done)} of {len(run.stages)} stages done"
    stages = [stage for stage in run.stages.values() if stage is not None]
    notes = [f"{stage.stage}: {stage.summary.note}" for stage in stages if stage.summary.degraded]
    return "; ".join(filter(None, [run.header.stale, *notes]))


def damaged_row(run: Run, words: str) -> Json:
    """Return the row of a run whose files are damaged: what its header says, if that can be read, and the reason."""
    row: Json = {"id": run.id, "kind": "", "profile": "", "as_of": "", "state": run.state, "reason": words}
    if run.state == "unreadable":
        return row
    header = run.header
    known = {"kind": header.kind, "profile": run.profile, "as_of": run.as_of, "number": header.sequence}
    more = {"created": header.created[:19], "decision": header.decision.kind.value, "damaged": True}
    return {**row, **known, **more, "parent": header.parent.run_id if header.parent else None}


def _best(content: Record) -> Record:
    """Return the figures of the strategy; of a sweep those of its best trial."""
    if content["sweep"]:
        best: Record = content["sweep"]["best"]
        return best
    return next(iter(content["figures"]), {})
