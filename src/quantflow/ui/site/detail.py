"""Everything that the page shows of one run, as one value that is written once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from quantflow.errors import ConfigError, StageError
from quantflow.review.checks import checks_of
from quantflow.review.why.path import Path as Way
from quantflow.review.why.path import path_of
from quantflow.runs.exports import FILES
from quantflow.runs.kinds import Sweep, open_run
from quantflow.runs.outcome import compared, outcome
from quantflow.runs.run import Run
from quantflow.types import Json, Record
from quantflow.ui.progress.rows import counts
from quantflow.ui.site.curves import growth

MOST_NAMES = 1000
"""Names in a run's table of decisions: the best scores."""
NEXT_BEST = 10
"""Names that are not held whose way through the run is written out, beside that of each that is: the best scores."""
CHANGES = 4
"""Changes per name, as many as the terminal prints."""


def key_of(run: Run, *, changes: bool) -> str:
    """Return what decides what ``content_of`` finds: two runs with the same artifacts and settings have the same."""
    made = {name: ref.sha256 for name, ref in run.outputs.items() if name not in ("report", "brief")}
    return json.dumps([made, run.header.settings, run.decided_by == run.id, changes], sort_keys=True)


def content_of(run: Run, *, changes: bool) -> Json:
    """Return what the page shows of a run's artifacts.

    Args:
        run: The run.
        changes: Whether it is found out for each name what would have altered the outcome, which takes a while.

    Raises:
        QuantflowError: If an artifact is missing or damaged.
    """
    run = remembering(run)
    found = outcome(run)
    return {
        "figures": _figures(found.metrics),
        "curve": growth(run.load("oos_returns")) if "oos_returns" in run.outputs else None,
        "weights": found.weights,
        "winners": found.winners,
        "sleeves": found.sleeves,
        "contributions": found.contributions,
        "names": _decisions(run),
        "why": {} if isinstance(run, Sweep) else _ways(run, changes),
        "checks": _checks(run),
        "sweep": _sweep(run) if isinstance(run, Sweep) and "sweep" in run.outputs else None,
    }


def record_of(run: Run) -> Json:
    """Return what the page shows of a run's record, beside its row."""
    header = run.header
    return {
        "id": run.id,
        "folder": str(run.folder),
        "created": header.created,
        "owner": dict(run.owner) if run.owner else None,
        "error": run.error or _stage_error(run),
        "decided_by": run.decided_by,
        "decision": header.decision.json(),
        "settings": flat(header.settings),
        "environment": {**header.versions, "cpu": header.cpu},
        "files": [name for name in FILES.values() if (run.folder / name).is_file()],
        "stages": [_stage(run, name) for name in run.stages],
    }


def remembering(run: Run) -> Run:
    """Return the run as its folder has it now, so that an artifact which it loads is read once."""
    copy = open_run(run.workspace, run.id)
    vars(copy)["load"] = cache(copy.load)
    return copy


def flat(settings: object, path: str = "") -> Json:
    """Return settings by dotted key; a list is one value."""
    if not isinstance(settings, Mapping):
        return {path: settings}
    found: Json = {}
    for key, value in settings.items():
        found |= flat(value, f"{path}.{key}" if path else str(key))
    return found


def _checks(run: Run) -> Record | None:
    """Return the record of the run's data checks; None where there is none."""
    try:
        return checks_of(run)
    except ConfigError:  # a meta run or a sweep, or it did not come so far
        return None


def _decisions(run: Run) -> list[Json]:
    """Return what was found and decided of each scored name, the best score first."""
    if not {"scores", "decisions"} <= run.outputs.keys():
        return []
    weights = run.weights
    table = run.load("scores")[["direction", "alpha_score", "rank"]].join(run.load("decisions"), how="left")
    table = table.sort_values("rank", kind="stable").head(MOST_NAMES)
    rows = table.to_dict("index").items()
    return [{"symbol": symbol, "weight": weights.get(str(symbol)), **row} for symbol, row in rows]


def _ways(run: Run, changes: bool) -> Json:
    """Return the way of each name that is held, and of the best others; nothing where another run decided."""
    if run.decided_by != run.id or "weights" not in run.outputs:
        return {}
    held = list(run.weights)
    others = [str(row["symbol"]) for row in _decisions(run) if row["symbol"] not in held]
    try:
        return {name: _way(path_of(run, name, changes=changes)) for name in [*held, *others[:NEXT_BEST]]}
    except StageError:  # a custom stage makes other artifacts than a way is read from
        return {}


def _way(way: Way) -> Json:
    return {
        "weight": way.weight,
        "steps": [[step.stage, step.outcome, step.value, step.limit, step.margin] for step in way.steps],
        "changes": [claim.says for claim in way.changes[:CHANGES]],
        "sleeves": {name: _way(inner) for name, inner in way.sleeves.items()},
    }


def _stage_error(run: Run) -> Json | None:
    error = run.failed.error if run.failed else None
    return {"type": error.get("type"), "message": error.get("message"), "hint": error.get("hint")} if error else None


def _stage(run: Run, name: str) -> Json:
    stage, state = run.stages[name], run.stage_state(name)
    if stage is None:
        return {"stage": name, "state": state}
    return {
        "stage": name,
        "state": state,
        "attempt": stage.attempt,
        "seconds": stage.seconds,
        "symbols": counts(stage.summary.entered, stage.summary.left),
        "note": stage.summary.note or str((stage.error or {}).get("message", "")),
        "made": {made: ref.sha256 for made, ref in stage.outputs.items()},
    }


def _figures(metrics: Record) -> list[Json]:
    """Return a row of figures per series: the strategy first, with other lags after it."""
    blocks: dict[str, Any] = {
        name: block for name, block in metrics.items() if isinstance(block, dict) and "sharpe" in block
    }
    order = sorted(blocks, key=lambda name: (name != "strategy", name))
    rows = [{"series": name.replace("_", " "), **blocks[name]} for name in order]
    lags = metrics.get("lags") or {}
    return rows[:1] + [{"series": f"strategy, lag {lag}", **lags[lag]} for lag in sorted(lags, key=int)] + rows[1:]


def _sweep(run: Run) -> Record:
    found = compared(run)
    kept = ("metric", "sentence", "best", "luck", "overfitting", "importance", "surfaces", "start", "end", "sessions")
    return {name: found.get(name) for name in (*kept, "trials", "failed", "table", "nested")}
