"""What a finished run found, as plain values for a screen or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from quantflow.pipeline.stage import SelectionContext
from quantflow.runs.request import layout_of
from quantflow.runs.status import RunStatus


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    Attributes:
        funnel: Per stage: id, symbols in, symbols out, note.
        winners: Per selected name, best first: symbol, direction, cluster, sector, alpha_score, rank, and ``why``:
            the features that carried its score and those that cost it most.
        weights: Per name, largest first: symbol, weight (signed fraction of capital), cluster, sector.
        sleeves: Of a meta run, per sleeve: id, run_id, as_of, reused, weight (fraction of capital).
        contributions: Of a meta run, per asset, as ``weights``: symbol, weight (net), and ``by_sleeve``: its parts.
        metrics: Out-of-sample figures after costs, by series (strategy, equal_weight, …).
        files: Paths of weights, report and brief.
    """

    funnel: list[dict[str, Any]]
    winners: list[dict[str, Any]]
    weights: list[dict[str, Any]]
    metrics: dict[str, Any]
    sleeves: list[dict[str, Any]]
    contributions: list[dict[str, Any]]
    files: dict[str, str]

    def json(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        return asdict(self)


def outcome(run: RunStatus) -> Outcome:
    """Return what *run* found; parts that it did not reach are empty."""
    record = run.record
    artifacts = {name: ref for stage in run.stages.values() if stage for name, ref in stage.outputs.items()}
    store = layout_of(record).store
    context = SelectionContext(record.run_id, "", record.as_of, {}, store, artifacts)
    files = {name: record.folder / name for name in ("weights.csv", "report.html", "brief.txt")}
    return Outcome(
        funnel=[
            {"stage": name, "entered": s.summary.entered, "left": s.summary.left, "note": s.summary.note}
            for name, s in run.stages.items()
            if s is not None and s.state == "done"
        ],
        winners=_winners(context) if {"winners", "scores"} <= set(artifacts) else [],
        weights=_rows(context.load("weights"), ("weight", "cluster", "sector")) if "weights" in artifacts else [],
        metrics=dict(context.load("metrics")) if "metrics" in artifacts else {},
        sleeves=_sleeves(context) if "sleeve_weights" in artifacts else [],
        contributions=_contributions(context) if "contributions" in artifacts else [],
        files={name: str(path) for name, path in files.items() if path.is_file()},
    )


def _rows(frame: Any, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    picked = frame[[c for c in columns if c in frame.columns]].reset_index()
    rows: list[dict[str, Any]] = picked.to_dict("records")
    return rows


def _sleeves(context: SelectionContext) -> list[dict[str, Any]]:
    weights = context.load("sleeve_weights")["weight"]
    picked = ("id", "run_id", "as_of", "reused")
    return [
        {**{key: sleeve[key] for key in picked}, "weight": float(weights.loc[sleeve["id"]])}
        for sleeve in context.load("sleeves")["sleeves"]
    ]


def _contributions(context: SelectionContext) -> list[dict[str, Any]]:
    parts = context.load("contributions").pivot(index="symbol", columns="sleeve", values="weight")
    weights = context.load("weights")["weight"]
    return [
        {"symbol": symbol, "weight": weight, "by_sleeve": {k: v for k, v in parts.loc[symbol].items() if v == v}}
        for symbol, weight in weights.items()
    ]


def _winners(context: SelectionContext) -> list[dict[str, Any]]:
    winners, scores = context.load("winners"), context.load("scores")
    rows = _rows(winners, ("direction", "cluster", "sector", "alpha_score", "rank", "level"))
    parts = scores[[c for c in scores.columns if c.startswith("c_")]]
    return [{**row, "why": why(dict(parts.loc[row["symbol"]]))} for row in rows]


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
