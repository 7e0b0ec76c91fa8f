"""Sections on how symbols were chosen: funnel, winners, contributions, decisions, data quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from quantflow.stages.report.charts.bars import Bar, bar_chart
from quantflow.stages.report.charts.frame import Caption
from quantflow.stages.report.facts import Inputs, level, outcomes, quarantined
from quantflow.stages.report.figures import count, defined, fixed, plural, significant
from quantflow.stages.report.render import Cell, boxed, folded, nothing, part, section, shade, shorten, table

if TYPE_CHECKING:
    import pandas as pd

OUTSIDE = frozenset({"validation", "signals", "report"})
"""Stages that begin again with every symbol, so have no place in the funnel."""
ORDER = {"selected": 0, "cut": 1, "vetoed": 2, "unscored": 3}


def funnel(inputs: Inputs) -> Markup:
    """Return how many symbols entered and left each stage."""
    counted = [s for s in inputs["run"].get("stages", []) if defined(s.get("left")) is not None]
    stages = [s for s in counted if s.get("id") not in OUTSIDE]
    if not stages:
        return section("funnel", "Funnel", nothing("No stage has counted its symbols."))
    bars = [_stage_bar(stage) for stage in stages]
    text = "; ".join(f"{bar.label}: {bar.note}" for bar in bars)
    chart = bar_chart(Caption("c-funnel", "Symbols by stage", text), bars)
    return section("funnel", "Funnel", chart, lead="Symbols that entered (pale) and left each stage.")


def _stage_bar(stage: dict[str, Any]) -> Bar:
    left, entered = float(stage["left"]), defined(stage.get("entered"))
    note = count(left) if entered in (None, left) else f"{count(entered)} → {count(left)}"
    return Bar(str(stage.get("id", "?")), left, note, behind=entered or 0.0)


def features_of(scores: pd.DataFrame) -> list[str]:
    """Return the weighted features: the names after ``c_``, in the order of the columns."""
    return [name[2:] for name in scores.columns if name.startswith("c_")]


def lifts(scores: pd.DataFrame) -> Any:
    """Return each contribution less its median over all scored symbols, columns named by feature."""
    names = features_of(scores)
    values = scores[[f"c_{name}" for name in names]].to_numpy(dtype=np.float64)
    import pandas as pd

    return pd.DataFrame(values - np.median(values, axis=0), index=scores.index, columns=names)


def winners(inputs: Inputs, top: int) -> Markup:
    """Return the best *top* winners and what lifted or lowered each one."""
    chosen, scores = inputs["winners"], inputs["scores"]
    if not len(chosen):
        return section("winners", "Winners", nothing("No symbol passed the policy."))
    lifted = lifts(scores) if len(scores) else None
    rows = [_winner(symbol, row, lifted) for symbol, row in zip(chosen.index, chosen.itertuples(), strict=True)]
    head = ["Symbol", "Alpha score", "For it", "Against it", "Direction", "Cluster", "Sector", "Level"]
    lead = (
        f"{plural(len(chosen), 'winner')} at {level(inputs)}. For and against: the features whose part of the score is "
        "most above and below that of the median symbol."
    )
    words = frozenset({2, 3, 4, 6})
    shown = table("Winners", head, rows[:top], words=words)
    rest = folded(f"{len(rows) - top} more", table("More winners", head, rows[top:], words=words))
    return section("winners", "Winners and why", shown, rest if len(rows) > top else None, lead=lead)


def _winner(symbol: str, row: Any, lifted: Any) -> list[object]:
    sides: list[object] = ["", ""]
    if lifted is not None and symbol in lifted.index:
        parts = sorted(lifted.loc[symbol].items(), key=lambda part: (-part[1], part[0]))
        sides = [_parts([p for p in parts if p[1] > 0][:3]), _parts([p for p in parts[::-1] if p[1] < 0][:2])]
    facts = [row.direction, row.cluster, shorten(row.sector, 40), count(row.level)]
    return [symbol, fixed(row.alpha_score, 3), *sides, *facts]


def _parts(parts: list[tuple[str, float]]) -> Markup:
    return part("words", [f"{name} {fixed(value, 2, signed=True)}" for name, value in parts])


def contributions(inputs: Inputs, top: int) -> Markup:
    """Return the parts of the score of the *top* best scored symbols, shaded against the median symbol."""
    scores = inputs["scores"]
    names = features_of(scores)
    if not len(scores) or not names:
        return section("contributions", "Score contributions", nothing("No symbol was scored."))
    best = scores.assign(_symbol=scores.index).sort_values(["rank", "_symbol"], kind="stable").head(top)
    lifted = lifts(scores)
    widest = float(np.nanmax(np.abs(lifted.to_numpy()), initial=0.0)) or 1.0
    rows = []
    for symbol, score in zip(best.index, best["score"], strict=True):
        parts = zip(best.loc[symbol, [f"c_{n}" for n in names]], lifted.loc[symbol], strict=True)
        cells = [Cell(fixed(part), shade(lift / widest)) for part, lift in parts]
        rows.append([symbol, best.loc[symbol, "direction"], fixed(score), *cells])
    lead = (
        "Each feature's part of the score: its weight times the logarithm of a probability, which says how good the "
        "symbol's value is among all; 0 is the best. Blue is better than the median symbol, orange worse. The best "
        f"{len(rows)} of {plural(len(scores), 'scored symbol')}."
    )
    shown = table("Score contributions", ["Symbol", "Direction", "Score", *names], rows, words=frozenset({1}))
    return section("contributions", "Score contributions", shown, lead=lead)


def decisions(inputs: Inputs) -> Markup:
    """Return every symbol's outcome and the rule that decided it."""
    frame = inputs["decisions"]
    if not len(frame):
        return section("decisions", "Decisions", nothing("No symbol reached the policy."))
    counts = outcomes(frame)
    order = sorted(frame.itertuples(), key=lambda row: (ORDER.get(row.outcome, 9), str(row.rule), str(row.Index)))
    figures = ("value", "limit", "margin")
    rows = [
        [row.Index, row.outcome, row.rule, *(significant(getattr(row, name)) for name in figures), count(row.level)]
        for row in order
    ]
    lead = (
        f"{', '.join(f'{n} {name}' for name, n in counts.items())}. The margin is how far the value is on the right "
        "side of the limit; below zero it missed."
    )
    head = ["Symbol", "Outcome", "Rule", "Value", "Limit", "Margin", "Level"]
    shown = table("Decisions", head, rows, words=frozenset({1, 2}))
    return section("decisions", "Decisions", boxed(shown, len(rows)), lead=lead)


def quality(inputs: Inputs) -> Markup:
    """Return which data contracts warned or failed."""
    frame = inputs["quality"]
    if not len(frame):
        return section("quality", "Data quality", nothing("Every symbol passed every check."))
    aside = quarantined(inputs)
    order = frame.sort_values(["outcome", "symbol", "check"], kind="stable").itertuples()
    rows = [[r.symbol, r.outcome, r.check, significant(r.observed), significant(r.limit), r.reason] for r in order]
    warned = int((frame["outcome"] == "warn").sum())
    lead = f"{plural(len(aside), 'symbol')} set aside, {plural(warned, 'warning')}."
    head = ["Symbol", "Outcome", "Check", "Observed", "Limit", "Reason"]
    shown = table("Data quality", head, rows, words=frozenset({1, 2, 5}))
    return section("quality", "Data quality", boxed(shown, len(rows)), lead=lead)
