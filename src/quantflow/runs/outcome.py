"""What a finished run found, as plain values for a screen or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from quantflow.runs.exports import FILES
from quantflow.runs.run import Run
from quantflow.types import Json

Row: TypeAlias = dict[str, Any]
"""A row of a table as JSON values, by column."""


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    Attributes:
        funnel: Per stage: id, symbols in, symbols out, note.
        winners: Per selected name, best first: symbol, direction, cluster, sector, alpha_score, rank, and ``why``:
            the features that carried its score and those that cost it most.
        decision: Whether the run decided a portfolio, and when the next decision is due.
        weights: Per name, largest first: symbol, weight (signed fraction of capital), cluster, sector.
        sleeves: Of a meta run, per sleeve: id, run_id, as_of, reused, weight (fraction of capital).
        contributions: Of a meta run, per asset, as ``weights``: symbol, weight (net), and ``by_sleeve``: its parts.
        metrics: Out-of-sample figures after costs, by series (strategy, equal_weight, …).
        files: Paths of weights, report and brief.
    """

    decision: Row
    funnel: list[Row]
    winners: list[Row]
    weights: list[Row]
    metrics: Row
    sleeves: list[Row]
    contributions: list[Row]
    files: dict[str, str]

    def json(self) -> Json:
        """Return the outcome as JSON values."""
        return asdict(self)


def outcome(run: Run) -> Outcome:
    """Return what *run* found; parts that it did not reach are empty."""
    artifacts = run.outputs
    files = {name: run.folder / name for name in FILES.values()}
    return Outcome(
        decision=run.header.decision.json() if run.state != "unreadable" else {},
        funnel=[
            {"stage": name, "entered": s.summary.entered, "left": s.summary.left, "note": s.summary.note}
            for name, s in run.stages.items()
            if s is not None and s.state == "done"
        ],
        winners=_winners(run) if {"winners", "scores"} <= set(artifacts) else [],
        weights=[_columns(row, ("weight", "cluster", "sector")) for row in run.rows("weights")]
        if "weights" in artifacts
        else [],
        metrics=dict(run.load("metrics")) if "metrics" in artifacts else {},
        sleeves=_sleeves(run) if "sleeve_weights" in artifacts else [],
        contributions=_contributions(run) if "contributions" in artifacts else [],
        files={name: str(path) for name, path in files.items() if path.is_file()},
    )


def compared(run: Run) -> Json:
    """Return what a complete sweep found, with a row per trial under ``table``; undefined figures are null."""
    frame = run.load("trials").reset_index()
    rows = [
        {name: None if value != value else value for name, value in row.items()} for row in frame.to_dict("records")
    ]
    return {**run.load("sweep"), "table": rows}


def _columns(row: Row, names: tuple[str, ...]) -> Row:
    return {name: row[name] for name in ("symbol", *names) if name in row}


def _sleeves(run: Run) -> list[Row]:
    weights = {row["sleeve"]: row["weight"] for row in run.rows("sleeve_weights")}
    picked = ("id", "run_id", "as_of", "reused")
    return [
        {**{key: sleeve[key] for key in picked}, "weight": weights[sleeve["id"]]}
        for sleeve in run.load("sleeves")["sleeves"]
    ]


def _contributions(run: Run) -> list[Row]:
    parts: dict[str, dict[str, float]] = {}
    for row in sorted(run.rows("contributions"), key=lambda row: str(row["sleeve"])):
        if row["weight"] is not None:
            parts.setdefault(row["symbol"], {})[row["sleeve"]] = row["weight"]
    return [{"symbol": symbol, "weight": weight, "by_sleeve": parts[symbol]} for symbol, weight in run.weights.items()]


def _winners(run: Run) -> list[Row]:
    scores = {row["symbol"]: row for row in run.rows("scores")}
    picked = ("direction", "cluster", "sector", "alpha_score", "rank", "level")
    return [
        {**_columns(row, picked), "why": why({k: v for k, v in scores[row["symbol"]].items() if k.startswith("c_")})}
        for row in run.rows("winners")
    ]


def why(contributions: Mapping[str, float]) -> str:
    """Return the features that cost a name's score least and most, e.g. ``+momentum +trend -entropy``.

    Args:
        contributions: ``c_<feature>`` to weighted log-probability; all at most 0, and nearer to 0 is better.
    """
    order = sorted(contributions, key=lambda name: (-contributions[name], name))
    names = [name.removeprefix("c_") for name in order]
    best = names[:2] if len(names) > 2 else names[:1]
    worst = names[-1:] if len(names) > 1 else []
    return " ".join([f"+{name}" for name in best] + [f"-{name}" for name in worst])
