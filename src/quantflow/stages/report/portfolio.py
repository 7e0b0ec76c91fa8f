"""Sections on the portfolio: weights now and over time, correlations, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from quantflow.stages.report.charts.areas import Layer, area_chart
from quantflow.stages.report.charts.bars import Bar, bar_chart
from quantflow.stages.report.charts.frame import COLOURS, Caption, legend, picked
from quantflow.stages.report.charts.heat import heat_map
from quantflow.stages.report.charts.scale import finite_range, linear_axis
from quantflow.stages.report.facts import (
    Inputs,
    allocation_line,
    column,
    exposure,
    largest_group,
    rebalanced,
    sessions,
)
from quantflow.stages.report.figures import DASH, day, fixed, percent, plural, tick
from quantflow.stages.report.proof.attribution import targets
from quantflow.stages.report.render import folded, nothing, part, section, shorten, table

if TYPE_CHECKING:
    import pandas as pd

WINDOW = 252
"""Sessions that the correlation map looks back."""
MAP_LIMIT = 40
"""Most symbols on the correlation map; beyond, only winners."""
STEPS = 200
"""Most rebalances drawn in the chart of weights over time."""


def weights(inputs: Inputs, top: int) -> Markup:
    """Return the weights as bars and as a table, largest first."""
    frame = inputs["weights"]
    if not len(frame):
        return section("weights", "Weights", nothing("The portfolio holds nothing."))
    bars = weight_bars(frame, top)
    text = ", ".join(f"{bar.label} {bar.note}" for bar in bars)
    long, short = exposure(frame)
    called = inputs["instruments"]["name"].to_dict()
    rows = [
        [r.Index, percent(r.weight, 2), r.direction, r.cluster, *_who(called.get(r.Index), r), fixed(r.alpha_score, 3)]
        for r in frame.itertuples()
    ]
    head = ["Symbol", "Weight", "Direction", "Cluster", "Name", "Sector", "Alpha score"]
    lead = f"{plural(len(frame), 'name')}, {percent(long)} long, {percent(short)} short{_largest(frame)}."
    listed = folded("All weights", table("Weights", head, rows, words=frozenset({2, 4, 5})))
    return section("weights", "Weights", bar_chart(Caption("c-weights", "Weights", text), bars), listed, lead=lead)


def weight_bars(frame: pd.DataFrame, top: int) -> list[Bar]:
    """Return a bar for each of the first *top* weights, and one for all others together."""
    chosen = list(zip(frame.index, column(frame, "weight"), strict=True))
    bars = [
        Bar(symbol, weight, percent(weight), style="k1" if weight >= 0 else "k2") for symbol, weight in chosen[:top]
    ]
    if rest := chosen[top:]:
        bars.append(Bar(f"{len(rest)} more", total := sum(w for _, w in rest), percent(total), style="k0"))
    return bars


def _who(name: object, row: Any) -> list[str]:
    return [shorten(name or DASH, 40), shorten(row.sector, 40)]


def _largest(frame: pd.DataFrame) -> str:
    named = [("cluster", largest_group(frame, "cluster")), ("sector", largest_group(frame, "sector"))]
    return "".join(f"; largest {by} {shorten(g[0], 40)}: {percent(g[1])}" for by, g in named if g)


def weights_over_time(inputs: Inputs, held: pd.DataFrame) -> Markup:
    """Return the weight of the largest names from rebalance to rebalance, all others together.

    Args:
        inputs: The run's artifacts.
        held: ``date``, ``symbol`` and ``weight`` of each target.
    """
    title = "Weights over time"
    if not len(held) or not len(inputs["oos_returns"]):
        return section("history", title, nothing("There was no rebalance out of sample."))
    grid = targets(held)
    starts = sessions(grid)
    kept = picked(len(starts), STEPS)
    dates = np.append(starts[kept], max(sessions(inputs["oos_returns"])[-1], starts[-1]))
    size = grid.abs().mean()
    order = sorted(grid.columns, key=lambda name: (-size[name], str(name)))
    stack = _layers(grid[order].to_numpy(dtype=np.float64)[kept], [shorten(name, 14) for name in order])
    axis = linear_axis(*_stacked_range(np.array([layer.values for layer in stack])), tick)
    text = "Mean weights: " + ", ".join(f"{name} {percent(size[name])}" for name in order[:COLOURS]) + "."
    caption = Caption("c-history", title, text, "Weight, % of capital, largest names at the axis")
    chart = area_chart(caption, dates, stack, axis, percent)
    lead = f"Targets at {plural(len(starts), 'rebalance')}, out of sample; drift between them is not drawn."
    if len(kept) < len(starts):
        lead += f" {len(kept)} of them are shown."
    return section("history", title, chart, _infeasible(inputs), lead=lead)


def _layers(values: Any, names: list[str]) -> list[Layer]:
    """Return a layer for each of the first names, and one for the others together; longs and shorts do not cancel."""
    stack = [Layer(name, values[:, i], f"k{i + 1}") for i, name in enumerate(names[:COLOURS])]
    if (rest := len(names) - COLOURS) > 0:
        others, label = values[:, COLOURS:], f"other, {plural(rest, 'name')}"
        sides = [side(others, 0.0).sum(axis=1) for side in (np.maximum, np.minimum)]
        stack += [Layer(label, side, "k0") for side in sides if side.any()]
    return stack


def _infeasible(inputs: Inputs) -> Markup | None:
    held = inputs["metrics"].get("rebalances", {}).get("held", [])
    if not held:
        return None
    rows = [[day(skipped["date"]), skipped["reason"]] for skipped in held]
    title = f"{plural(len(held), 'rebalance')} had no feasible portfolio: the one before was kept"
    return folded(title, table("Rebalances without a portfolio", ["Date", "Reason"], rows, words=frozenset({1})))


def _stacked_range(stack: Any) -> tuple[float, float]:
    up, down = np.maximum(stack, 0.0).sum(axis=0), np.minimum(stack, 0.0).sum(axis=0)
    return finite_range(np.concatenate([up, down]), 0.0)


def correlation(inputs: Inputs) -> Markup:
    """Return the correlations of the last year's daily returns, neighbours in the cluster tree side by side."""
    title, clusters = "Correlation by cluster", inputs["clusters"]
    shown = clusters[clusters.index.isin(inputs["prices"].symbols)].sort_values("order", kind="stable")
    if len(shown) > MAP_LIMIT:
        shown = shown[shown.index.isin(inputs["winners"].index[:MAP_LIMIT])]
    if not len(shown):
        return section("correlation", title, nothing("No symbol was clustered."))
    names = list(shown.index)
    returns = inputs["prices"].select(names).frame().iloc[-WINDOW - 1 :].pct_change(fill_method=None)
    matrix = returns[names].corr(min_periods=20).to_numpy()
    groups = [int(cluster) for cluster in shown["cluster"]]
    chart = heat_map(Caption("c-correlation", title, _closeness(matrix, groups)), names, matrix, groups)
    whose = "Every clustered symbol" if len(shown) == len(clusters) else f"The {len(shown)} best winners"
    lead = f"{whose}, last {min(WINDOW, len(returns) - 1)} sessions. Frames are clusters. {_closeness(matrix, groups)}"
    scale = legend([("qn5", "−1"), ("qn2", "−0.4"), ("qp0", "0"), ("qp2", "0.4"), ("qp5", "1")])
    return section("correlation", title, chart, scale, lead=lead)


def _closeness(matrix: Any, groups: list[int]) -> str:
    same = np.equal.outer(np.array(groups), np.array(groups))
    other = np.triu(np.isfinite(matrix), 1)
    means = [matrix[other & where].mean() if (other & where).any() else None for where in (same, ~same)]
    return f"Mean correlation {fixed(means[0])} within clusters, {fixed(means[1])} between them."


def allocation(inputs: Inputs) -> Markup:
    """Return which method gave the weights, what was tried before it, the limits that bind, and how it was before."""
    record = inputs["allocation"]
    chain = [[s.get("method"), s.get("outcome"), s.get("reason") or ""] for s in record.get("chain", [])]
    binding = record.get("binding") or []
    return section(
        "allocation",
        "Allocation",
        table("Allocation chain", ["Method", "Outcome", "Reason"], chain, words=frozenset({1, 2})) if chain else None,
        part("heading", "Limits that bind"),
        part("listed", binding) if binding else nothing("None: no limit changed the weights."),
        _fallbacks(inputs),
        lead=f"Method: {allocation_line(record)}. Out of sample: {rebalanced(inputs['metrics'])}.",
    )


def _fallbacks(inputs: Inputs) -> Markup | None:
    fell = inputs["metrics"].get("rebalances", {}).get("fallbacks", [])
    if not fell:
        return None
    rows = [[each["date"], each["method"], each["reason"]] for each in fell]
    title = f"{plural(len(fell), 'rebalance')} needed a fallback"
    return folded(title, table(title, ["Date", "Method", "Reason"], rows, words=frozenset({1, 2})))
