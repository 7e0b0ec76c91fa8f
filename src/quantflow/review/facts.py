"""What a run's own report reads of the run: profile, timings, counts, provenance."""

from __future__ import annotations

from dataclasses import asdict

from quantflow.config.sweeps.sweep import SWEEP
from quantflow.errors import IntegrityError
from quantflow.review.restated import restatement
from quantflow.runs.book import current, track
from quantflow.runs.kinds import Meta, Sweep
from quantflow.runs.research.counted import clustered, sharing_names
from quantflow.runs.run import Run
from quantflow.runs.sleeves import PRICED
from quantflow.types import Json


def facts_of(run: Run) -> Json:
    """Return the record that control stages read under the artifact name ``run``."""
    header = run.header
    stages = [stage for stage in run.stages.values() if stage is not None and stage.state == "done"]
    restated = restatement(run)
    return {
        "run_id": run.id,
        "profile": run.profile,
        "as_of": run.as_of.isoformat(),
        "created": header.created,
        "kind": header.kind,
        **(_sleeves(run) if isinstance(run, Meta) else {}),
        **(_swept(run) if isinstance(run, Sweep) else {}),
        "parent": header.parent.run_id if header.parent else None,
        "degraded": bool(header.stale) or any(stage.summary.degraded for stage in stages),
        "notes": [
            *([header.stale] if header.stale else []),
            *(f"{stage.stage}: {stage.summary.note}" for stage in stages if stage.summary.degraded),
            *([f"restated history: {restated.line}"] if restated else []),
        ],
        "former": _former(run),
        "track": _track(run),
        "decision": header.decision.json(),
        "position": header.position.json() if header.position else None,
        "trials": _trials(run),
        "versions": header.versions,
        "cpu": header.cpu,
        "config": header.settings,
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


def _former(run: Run) -> Json | None:
    """Return the book that the run's weights are to replace; None when it is the run's own, or of a later session."""
    book = current(run.workspace, run.profile)
    if book is None or book.run_id == run.id or book.as_of > run.as_of.isoformat():
        return None
    return {"run_id": book.run_id, "as_of": book.as_of, "weights": dict(book.weights)}


def _track(run: Run) -> Json:
    """Return what the profile's book earned up to the run's session, and what its walk-forward promised of that."""
    lines = [line for line in track(run.workspace, run.profile) if line.date <= run.as_of.isoformat()]
    book = current(run.workspace, run.profile)
    columns = {name: [getattr(line, name) for line in lines] for name in ("date", "net", "benchmark")}
    return {**columns, "promised": dict(book.promised) if book else {}}


def _trials(run: Run) -> Json | None:
    """Return the ratios of the other settings that were tried on the run's data, and those of all trials' clusters.

    None of a meta run, before a run's walk-forward, and when its stream is gone.
    """
    if isinstance(run, Meta) or "oos_returns" not in run.outputs:
        return None
    try:
        trials = sharing_names(run, run.header.trials)
        many = clustered(run, trials)
    except (IntegrityError, OSError):  # what needs the stream itself says so; reproducing needs no report
        return None
    return {"ratios": [trial.ratio for trial in trials], "clusters": many.ratios.tolist()}


def _swept(run: Sweep) -> Json:
    """Return what became of each trial of a sweep, in the order of their numbers."""
    found = [(trial, trial.result) for trial in run.trials]
    return {
        "sweep": run.header.settings[SWEEP],
        "variants": [
            {
                "number": trial.number,
                "variant": trial.variant,
                "state": result.state,
                "message": (result.error or {}).get("message", ""),
                "settings": result.settings,
                "outputs": {name: asdict(ref) for name, ref in result.outputs.items()},
            }
            for trial, result in found
            if result is not None
        ],
        "others": [[trial.settings, trial.ratio] for trial in run.header.trials],
    }


def _sleeves(run: Run) -> Json:
    """Return the sleeves that have a result, each with its link, and those that have none."""
    return {
        "leaves": [
            {
                "data": part.header.settings["data"],
                "outputs": {name: asdict(part.outputs[name]) for name in PRICED if name in part.outputs},
            }
            for part in (leaf.run for leaf in run.leaves())
        ],
        "sleeves": [
            {
                **vars(sleeve.link),
                "sleeve": result.sleeve,
                "made_under": result.config_hash,
                "as_of": result.as_of,
                "degraded": result.degraded,
                "data": sleeve.run.header.settings.get("data"),
                "outputs": {name: asdict(ref) for name, ref in result.outputs.items()},
            }
            for sleeve in run.sleeves
            if (result := sleeve.result) is not None
        ],
        "failed": [
            {"id": failure.sleeve, "stage": failure.stage, "message": failure.message} for failure in run.header.failed
        ],
    }
