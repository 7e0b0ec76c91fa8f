"""What the page says over all runs: who made which artifact, which names were held when, what data checks found."""

from __future__ import annotations

from quantflow.runs.run import Run
from quantflow.types import Json
from quantflow.ui.site.detail import checks, decisions_of

MOST_RANKED = 100
"""Names of a run, by rank, whose score the page knows over time; and all that are held."""
MOST_SYMBOLS = 20
"""Symbols that are listed of a check that did not pass."""


def lineage_of(run: Run) -> list[list[object]]:
    """Return per stage that is done: its id, whether it was reused, what it made, and of what, by sha256."""
    return [
        [
            name,
            run.stage_state(name) == "cached",
            {made: ref.sha256 for made, ref in stage.outputs.items()},
            dict(stage.fingerprint.get("inputs", {})),
        ]
        for name, stage in run.stages.items()
        if stage is not None and stage.outputs
    ]


def held_by(run: Run) -> list[list[object]]:
    """Return the names of a run: symbol, weight (None when not held), score, rank, and what was decided."""
    found = {
        str(row["symbol"]): [row["symbol"], row["weight"], row["alpha_score"], row["rank"], row["outcome"]]
        for row in decisions_of(run)
        if row["weight"] is not None or int(str(row["rank"])) <= MOST_RANKED
    }
    if run.header.kind == "sweep":
        return []
    return [*found.values(), *([name, weight, None, None, None] for name, weight in run.weights.items() if name not in found)]


def quality_of(run: Run) -> Json | None:
    """Return how many symbols a run asked for and kept, and the checks that did not pass; None without checks."""
    record = checks(run)
    if record is None:
        return None
    odd = [
        [row["check"], row["outcome"], row["observed"], row["limit"], len(row["symbols"]), row["symbols"][:MOST_SYMBOLS]]
        for row in record["checks"]
        if row["outcome"] != "passed"
    ]
    return {**{name: record[name] for name in ("asked", "kept", "ended")}, "odd": odd}
