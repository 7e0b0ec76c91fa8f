"""The section on exposures: today's book beside the targets out of sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from quantflow.quant.research.exposures import FAR, WINDOW, beta_of
from quantflow.stages.exposures import EQUAL, leanings
from quantflow.stages.report.charts.frame import Caption
from quantflow.stages.report.charts.lines import Line, line_chart
from quantflow.stages.report.charts.scale import finite_range, linear_axis
from quantflow.stages.report.facts import FloatArray, Inputs, column
from quantflow.stages.report.figures import fixed, percent, plural
from quantflow.stages.report.render import folded, headed, nothing, section, shorten
from quantflow.stages.report.selection import features_of

if TYPE_CHECKING:
    import pandas as pd

Write = Callable[..., str]
HEAD = ("Now", "Mean", "Lowest", "Highest")


def exposed(inputs: Inputs) -> Markup:
    """Return beta, sector weights and tilts to features, now and over the rebalances out of sample."""
    title, past = "Exposures", inputs["exposures"]
    if not len(past):
        return section("exposures", title, nothing("There was no rebalance out of sample."))
    made = plural(past["date"].nunique(), "rebalance")
    lead = (
        f"Today's book, and the targets of {made} out of sample. Beta: to returns of the {WINDOW} sessions before each "
        "decision. A tilt is the mean z-score of what is held among all names, by weight, shorts negative, at most "
        f"{FAR:g} a name: 0 leans neither way."
    )
    parts = [_whole(inputs), _chart(past), _sectors(inputs), _tilts(inputs)]
    return section("exposures", title, *parts, lead=lead)


def _row(name: object, now: float, then: FloatArray, write: Write) -> list[object]:
    known = then[np.isfinite(then)]
    spans = (known.mean(), known.min(), known.max()) if len(known) else (None, None, None)
    return [name, write(now), *(write(value) for value in spans)]


def _whole(inputs: Inputs) -> Markup:
    past, now = inputs["exposures"], column(inputs["weights"], "weight")
    held = inputs["oos_weights"].set_index("date")["weight"]
    days = past["date"].unique()
    net, gross = (side.groupby(level=0).sum().reindex(days, fill_value=0.0) for side in (held, held.abs()))
    rows = [_row(f"Beta to {_called(name)}", _beta(inputs, name), _betas(past, name), fixed) for name in _names(past)]
    rows.append(_row("Net weight", now.sum(), net.to_numpy(), percent))
    rows.append(_row("Gross weight", np.abs(now).sum(), gross.to_numpy(), percent))
    for kind in ("sector", "cluster"):
        most = _pivot(past, kind, "gross").max(axis=1).to_numpy(dtype=np.float64)
        largest = max((one.gross for one in leanings(inputs) if one.kind == kind), default=0.0)
        rows.append(_row(f"Largest {kind}", largest, most, percent))
    return headed("Market and concentration", ["", *HEAD], rows)


def _names(past: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(past.loc[past["kind"] == "beta", "name"]))


def _called(name: str) -> str:
    return "equal weight" if name == EQUAL else shorten(name, 20)


def _beta(inputs: Inputs, name: str) -> float:
    known = inputs["betas"][name].reindex(inputs["weights"].index).to_numpy(dtype=np.float64)
    return beta_of(column(inputs["weights"], "weight"), known)


def _betas(past: pd.DataFrame, name: str) -> FloatArray:
    return column(past[(past["kind"] == "beta") & (past["name"] == name)], "net")


def _pivot(past: pd.DataFrame, kind: str, value: str) -> pd.DataFrame:
    """Return a row per rebalance and a column per name; what is not held is 0."""
    grid = past[past["kind"] == kind].pivot_table(index="date", columns="name", values=value, aggfunc="sum")
    return grid.reindex(past["date"].unique()).fillna(0.0)


def _chart(past: pd.DataFrame) -> Markup:
    names = _names(past)
    styles = dict(zip(names, ("net", "benchmark"), strict=False))
    lines = [Line(f"to {_called(name)}", _betas(past, name), styles[name]) for name in names]
    axis = linear_axis(*finite_range(np.concatenate([line.values for line in lines]), 1.0), _plain)
    dates = past["date"].unique().to_numpy().astype("datetime64[D]")
    spans = [(line.label, *map(fixed, finite_range(line.values))) for line in lines]
    text = "; ".join(f"{label} from {low} to {high}" for label, low, high in spans)
    caption = Caption("c-beta", "Beta at each rebalance", f"Beta {text}.", "Beta of the targets at each rebalance")
    return line_chart(caption, dates, lines, axis, fixed)


def _plain(value: float, decimals: int) -> str:
    return fixed(value, max(1, decimals))


def _sectors(inputs: Inputs) -> Markup | None:
    then = _pivot(inputs["exposures"], "sector", "net")
    now = {one.name: one.net for one in leanings(inputs) if one.kind == "sector"}
    names = sorted({*now, *then.columns}, key=lambda name: (-abs(now.get(name, 0.0)), name))
    rows = [
        _row(shorten(name, 40), now.get(name, 0.0), then[name].to_numpy() if name in then else np.zeros(1), percent)
        for name in names
    ]
    return headed("Net weight by sector", ["Sector", *HEAD], rows) if rows else None


def _tilts(inputs: Inputs) -> Markup | None:
    past = inputs["exposures"]
    now = {one.name: one.net for one in leanings(inputs) if one.kind == "feature"}
    scored = [name for name in features_of(inputs["scores"]) if name in now]
    others = [name for name in now if name not in scored]

    def rows(names: Sequence[str]) -> list[list[Any]]:
        then = {name: past[(past["kind"] == "feature") & (past["name"] == name)] for name in names}
        return [_row(name, now[name], column(then[name], "net"), fixed) for name in names]

    if not now:
        return None
    shown = headed("Tilt to the features of the score", ["Feature", *HEAD], rows(scored))
    return shown + folded("Other features", headed("Tilt to other features", ["Feature", *HEAD], rows(others)))
