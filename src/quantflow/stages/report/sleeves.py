"""Sections on the sleeves of a meta portfolio: who they are, what is missing, what each holds, how close they are."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
from markupsafe import Markup

from quantflow.quant.sleeves import risk_shares
from quantflow.stages.report.charts.bars import bar_chart
from quantflow.stages.report.charts.frame import Caption
from quantflow.stages.report.charts.lines import Line
from quantflow.stages.report.facts import FloatArray, Inputs, column, exposure, sessions
from quantflow.stages.report.figures import DASH, count, defined, fixed, loss, percent, plural, sharpe
from quantflow.stages.report.portfolio import WINDOW, allocation, weight_bars
from quantflow.stages.report.render import Cell, folded, nothing, part, section, shade, shorten, table

NAMED = 4
"""Sleeves with a colour of their own in the chart of growth, the largest first; the next ones are grey."""
DRAWN = 8
STYLES = ("k3", "k5", "k7", "k8")


def missing(inputs: Inputs) -> list[str]:
    """Return which sleeves are missing and why, then what became of their capital; nothing when all are there."""
    record = inputs["sleeves"]
    failed = record.get("failed", [])
    if not failed and not record.get("partial"):
        return []
    there = list(inputs["sleeve_weights"].index)
    gone = {str(f.get("id", "?")).split("/")[0] for f in failed} - set(there)  # a nested sleeve is outer/inner
    reasons = "; ".join(f"{f.get('id', '?')} ({_failed(f)}: {_message(f)})" for f in failed)
    if not gone:
        renormalised = "The capital of these was renormalised: the other parts of their sleeve share it."
        return [f"Partial: parts of a sleeve are missing: {reasons}.", renormalised]
    method = inputs["meta_allocation"].get("used", "the method")
    whole = percent(column(inputs["sleeve_weights"], "weight").sum(), 0)
    return [
        f"Partial: {len(gone)} of {plural(len(there) + len(gone), 'sleeve')} missing: {reasons}.",
        f"Capital was renormalised: all {whole} is divided among the {len(there)} left, as {method} weighs them.",
    ]


def _message(failure: Any) -> str:
    return shorten(failure.get("message") or "no reason recorded", 200).rstrip(".")


def remarks(inputs: Inputs) -> list[str]:
    """Return what one should know of the sleeves that are there: older than the run, or not as asked."""
    session = inputs["run"]["as_of"]
    found = []
    for sleeve in inputs["sleeves"].get("sleeves", []):
        if str(sleeve.get("as_of") or session) < str(session):
            found.append(f"Sleeve {sleeve['id']} is of {sleeve['as_of']}, before this run's session {session}.")
        if sleeve.get("degraded"):
            found.append(f"Sleeve {sleeve['id']} completed with fallbacks.")
    return found


def sleeves(inputs: Inputs) -> Markup:
    """Return the sleeves: their figures over the same sessions, and where each comes from."""
    weights, failures = inputs["sleeve_weights"]["weight"], inputs["sleeves"].get("failed", [])
    head = ["Sleeve", "Weight", "Share of risk", "Part of return", "Sharpe", "Return per year", "Volatility"]
    shown = table("Sleeves", [*head, "Max drawdown"], _figures(inputs))
    origin = table(
        "Where the sleeves come from",
        ["Sleeve", "Profile", "Run", "As of", "Age", "Reused", "Config"],
        [*_origins(inputs), *([f.get("id", "?"), DASH, _failed(f), DASH, DASH, DASH, DASH] for f in failures)],
        words=frozenset({1, 2, 3, 4, 5, 6}),
    )
    lead = (
        f"{plural(len(weights), 'sleeve')} share {percent(weights.sum(), 0)} of capital. Figures are those of the "
        "sleeves' own streams, net of their costs, over the sessions of this report; the share of risk is over the "
        f"last {count(_seen(inputs))} sessions, the part of return is weight times mean return per year."
    )
    return section("sleeves", "Sleeves", shown, part("heading", "Where they come from"), origin, lead=lead)


def _seen(inputs: Inputs) -> int:
    """Return how many sessions the division of capital looked back on."""
    asked = inputs["run"].get("config", {}).get("allocation", {}).get("lookback", WINDOW)
    return min(int(asked), len(inputs["streams"]))


def _failed(failure: Any) -> str:
    return f"failed at {failure.get('stage') or 'start'}"


def _figures(inputs: Inputs) -> list[list[str]]:
    weights, year = column(inputs["sleeve_weights"], "weight"), float(inputs["metrics"]["annualisation"])
    risk = risk_shares(inputs["streams"].to_numpy(dtype=np.float64)[-_seen(inputs) :], weights)
    rows = []
    for name, weight, share in zip(inputs["sleeve_weights"].index, weights, risk, strict=True):
        own = inputs["metrics"].get("sleeves", {}).get(name, {})
        part = weight * year * float(_earned(inputs, name)[1:].mean())
        shares = [percent(weight), percent(share), percent(part), sharpe(own)]
        more = [percent(own.get("cagr")), percent(own.get("volatility")), loss(own.get("max_drawdown"))]
        rows.append([name, *shares, *more])
    return rows


def _origins(inputs: Inputs) -> list[list[object]]:
    session, rows = str(inputs["run"]["as_of"]), []
    for sleeve in inputs["sleeves"].get("sleeves", []):
        of = str(sleeve.get("as_of") or DASH)
        dated = Cell(of, "n3") if sleeve.get("as_of") and of < session else of
        source = sleeve.get("profile") or sleeve.get("meta") or DASH
        row = [sleeve["id"], source, sleeve.get("run_id") or DASH, dated, _age(of, session)]
        rows.append([*row, "yes" if sleeve.get("reused") else "no", str(sleeve.get("config_hash") or DASH)[:8]])
    return rows


def _age(of: str, session: str) -> str:
    """Return how many days a sleeve's session lies before the run's; a dash when one is not a date."""
    try:
        return plural((date.fromisoformat(session) - date.fromisoformat(of)).days, "day")
    except ValueError:
        return DASH


def _earned(inputs: Inputs, name: str) -> FloatArray:
    """Return a sleeve's returns on the sessions of the walk-forward; capital is put in at the close of the first."""
    frame = inputs["streams"]
    shown = np.isin(sessions(frame), sessions(inputs["oos_returns"]))
    returns = column(frame, name)[shown]
    return np.concatenate([[0.0], returns[1:]])


def streams(inputs: Inputs) -> list[Line]:
    """Return the sleeves' returns over the walk-forward as lines, the largest sleeves first, at most ``DRAWN``."""
    weights = inputs["sleeve_weights"]["weight"]
    order = sorted(range(len(weights)), key=lambda i: (-weights.iloc[i], i))[:DRAWN]
    styles = [*STYLES[:NAMED], *["k0"] * DRAWN]
    names = [str(weights.index[i]) for i in order]
    return [Line(shorten(name, 14), _earned(inputs, name), style) for name, style in zip(names, styles, strict=False)]


def net_weights(inputs: Inputs, top: int) -> Markup:
    """Return the net weights as bars and, with what they were netted from, as a table."""
    frame, parts = inputs["weights"], inputs["contributions"]
    if not len(frame):
        return section("weights", "Net weights", nothing("All positions cancel: the portfolio holds nothing."))
    bars = weight_bars(frame, top)
    text = ", ".join(f"{bar.label} {bar.note}" for bar in bars)
    holders = parts[parts["weight"] != 0.0].groupby("symbol").size()
    rows = [
        [r.Index, *(percent(v, 2) for v in (r.weight, r.long, r.short)), count(holders[r.Index]), _sector(r.sector)]
        for r in frame.itertuples()
    ]
    head = ["Symbol", "Net", "Long", "Short", "Sleeves", "Sector"]
    listed = folded("All weights", table("Net weights", head, rows, words=frozenset({5})))
    chart = bar_chart(Caption("c-weights", "Net weights", text), bars)
    return section("weights", "Net weights", chart, listed, lead=f"{netting(inputs)}.")


def _sector(name: object) -> str:
    return shorten(name or DASH, 40)


def netting(inputs: Inputs) -> str:
    """Return what is held, and gross exposure before and after longs and shorts of one asset were netted."""
    frame = inputs["weights"]
    long, short = exposure(frame)
    before = float(np.abs(column(inputs["contributions"], "weight")).sum())
    gone = inputs["contributions"]["symbol"].nunique() - len(frame)
    cancelled = f", {plural(gone, 'name')} cancelled" if gone else ""
    return (
        f"{plural(len(frame), 'name')}, {percent(long)} long, {percent(short)} short; "
        f"gross {percent(before)} before netting, {percent(long + short)} after{cancelled}"
    )


def contributions(inputs: Inputs, top: int) -> Markup:
    """Return what each sleeve holds of the assets in which there is most, and of all assets together."""
    title, names = "Contributions", list(inputs["sleeve_weights"].index)
    grid = inputs["contributions"].pivot(index="symbol", columns="sleeve", values="weight").reindex(columns=names)
    gross = grid.abs().sum(axis=1)
    order = sorted(grid.index, key=lambda symbol: (-gross[symbol], symbol))
    widest = max(float(np.nanmax(np.abs(grid.to_numpy()), initial=0.0)), 1e-9)
    rows = [
        [symbol, *(_part(value, widest) for value in grid.loc[symbol]), percent(grid.loc[symbol].sum(), 2)]
        for symbol in order[:top]
    ]
    if rest := order[top:]:
        rows.append([f"{len(rest)} more", *(percent(v, 2) for v in _sums(grid.loc[rest]))])
    rows.append(["All", *(percent(v, 2) for v in _sums(grid))])
    lead = (
        "Sleeve weight times the weight in the sleeve's book, in capital of the portfolio: blue is long, orange "
        f"short. The {len(order[:top])} of {plural(len(order), 'asset')} with the most on either side."
    )
    shown = table(title, ["Symbol", *(shorten(name, 24) for name in names), "Net"], rows)
    return section("contributions", title, shown, lead=lead)


def _part(value: float, widest: float) -> object:
    return "" if defined(value) is None else Cell(percent(value, 2), shade(value / widest))


def _sums(grid: Any) -> list[float]:
    each = [float(value) for value in grid.sum(axis=0)]
    return [*each, sum(each)]


def correlation(inputs: Inputs) -> Markup:
    """Return the correlations of the sleeves' streams over the last year."""
    title, frame = "Correlation of sleeves", inputs["streams"].iloc[-WINDOW:]
    if frame.shape[1] < 2:
        return section("correlation", title, nothing("There is one sleeve."))
    matrix = frame.corr().to_numpy()
    names = [shorten(name, 24) for name in frame.columns]
    rows = [[name, *(Cell(fixed(v), shade(v)) for v in line)] for name, line in zip(names, matrix, strict=True)]
    pairs = matrix[np.triu_indices(len(names), 1)]
    known = pairs[np.isfinite(pairs)]
    mean = fixed(known.mean()) if known.size else DASH
    lead = f"Last {len(frame)} common sessions. Mean of all pairs: {mean}."
    return section("correlation", title, table(title, ["", *names], rows), lead=lead)


def division(inputs: Inputs) -> Markup:
    """Return how the sleeves' weights came about, now and at each rebalance that needed a fallback."""
    return allocation({**inputs, "allocation": inputs["meta_allocation"]})
