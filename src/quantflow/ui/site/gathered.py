"""What the page says over all runs: who made which artifact, which names were held when, what data checks found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantflow.data.store import ArtifactRef
from quantflow.runs.kinds import Meta, Sweep
from quantflow.runs.run import Run
from quantflow.types import Json, Record

MOST_RANKED = 100
"""Names of a run, by rank, whose score the page knows over time; and all that are held."""
MOST_SYMBOLS = 20
"""Symbols that are listed of a check that did not pass."""


def lineage_of(run: Run) -> list[list[Any]]:
    """Return per stage that is done: its id, whether it was reused, what it made, and of what, by sha256.

    The trials of a sweep, which are not recorded stage by stage, are like one stage each. What they have made, or the
    sleeves of a meta run, is what the first stage of the run reads, whose record does not name it.
    """
    trials = _trials(run) if isinstance(run, Sweep) else []
    stages: list[list[Any]] = [
        [name, run.stage_state(name) == "cached", shas(stage.outputs), dict(stage.fingerprint.get("inputs", {}))]
        for name, stage in run.stages.items()
        if stage is not None and stage.outputs
    ]
    parts = {name: outputs for name, _, outputs, _ in trials} | (_sleeves(run) if isinstance(run, Meta) else {})
    for first in stages[:1]:
        first[3] |= {f"{name}: {made}": sha for name, outputs in parts.items() for made, sha in outputs.items()}
    return [*trials, *stages]


def shas(outputs: Mapping[str, ArtifactRef]) -> dict[str, str]:
    """Return the sha256 of artifacts by their names."""
    return {name: ref.sha256 for name, ref in outputs.items()}


def _trials(run: Sweep) -> list[list[Any]]:
    results = [result for trial in run.trials if (result := trial.result) is not None]
    return [[f"trial {each.number}", not each.computed, shas(each.outputs), {}] for each in results if each.outputs]


def _sleeves(run: Meta) -> dict[str, dict[str, str]]:
    found = {sleeve.name: sleeve.result for sleeve in run.sleeves}
    return {name: shas(result.outputs) for name, result in found.items() if result is not None}


def names_of(content: Record) -> list[list[Any]]:
    """Return the names of a run: symbol, weight (None when not held), score, rank, and what was decided."""
    scored = {
        row["symbol"]: [row["symbol"], row["weight"], row["alpha_score"], row["rank"], row["outcome"]]
        for row in content["names"]
        if row["weight"] is not None or row["rank"] <= MOST_RANKED
    }
    held = [[row["symbol"], row["weight"], None, None, None] for row in content["weights"]]
    return [*scored.values(), *(row for row in held if row[0] not in scored)]


def quality_of(content: Record) -> Json | None:
    """Return how many symbols a run asked for and kept, and the checks that did not pass; None without checks."""
    record = content["checks"]
    if record is None:
        return None
    figures = ("check", "outcome", "observed", "limit")
    odd = [
        [*(row[name] for name in figures), len(row["symbols"]), row["symbols"][:MOST_SYMBOLS]]
        for row in record["checks"]
        if row["outcome"] != "passed"
    ]
    return {**{name: record[name] for name in ("asked", "kept", "ended")}, "odd": odd}
