"""What the page and the brief both say: derived once, from the artifacts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantflow.quant.research.deflated import deflated
from quantflow.quant.returns.drawdowns import worst
from quantflow.quant.significance import estimate
from quantflow.stages.report.figures import count, day, defined, fixed, loss, percent, plural
from quantflow.stages.report.render import shorten
from quantflow.types import Record

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
Inputs = Mapping[str, Any]

SERIES = (
    ("strategy", "strategy", "net"),
    ("equal_weight", "equal weight", "equal_weight"),
    ("equal_sleeves", "equal sleeves", "equal_sleeves"),
    ("benchmark", "benchmark", "benchmark"),
)
"""Block of ``metrics``, label, column of ``oos_returns``."""
LEVELS = {1: "strict", 2: "spectral", 3: "cluster floor", 4: "alpha fallback"}


@dataclass(frozen=True)
class Fall:
    """The max drawdown of a wealth curve: its depth (fraction >= 0), the dates of peak and bottom, and the one now."""

    depth: float
    peak: str
    bottom: str
    now: float


def wealth(returns: FloatArray) -> FloatArray:
    """Return the growth of 1 after each session; a missing return counts as none, until the first it is NaN."""
    grown = np.cumprod(1.0 + np.nan_to_num(returns))
    started = np.logical_or.accumulate(np.isfinite(returns))
    return np.where(started, grown, np.nan)


def falls(returns: FloatArray) -> FloatArray:
    """Return how far wealth is below its highest value so far, as fractions <= 0; wealth starts at 1."""
    grown = wealth(returns)
    return np.asarray(grown / np.fmax.accumulate(np.fmax(grown, 1.0)) - 1.0)


def max_drawdown(dates: npt.NDArray[np.datetime64], returns: FloatArray) -> Fall:
    """Return the max drawdown of at least one session of returns; of a stream that never fell its first session's."""
    below, found = np.nan_to_num(falls(returns)), worst(np.nan_to_num(returns), 1)
    if not found:
        return Fall(0.0, day(dates[0]), day(dates[0]), 0.0)
    peak, bottom = (day(dates[max(at, 0)]) for at in (found[0].peak, found[0].bottom))
    return Fall(found[0].depth, peak, bottom, float(-below[-1]))


def column(frame: pd.DataFrame, name: str) -> FloatArray:
    """Return one column of a frame as float64."""
    return np.asarray(frame[name].to_numpy(), dtype=np.float64)


def sessions(frame: pd.DataFrame) -> npt.NDArray[np.datetime64]:
    """Return a date index as ``datetime64[D]``."""
    import pandas as pd

    return np.asarray(pd.DatetimeIndex(frame.index).to_numpy().astype("datetime64[D]"))


def series(inputs: Inputs) -> list[tuple[str, str, FloatArray]]:
    """Return (column, label, returns) of the strategy and of each benchmark that exists."""
    returns, metrics = inputs["oos_returns"], inputs["metrics"]
    return [
        (name, called(label, metrics), column(returns, name)) for _, label, name in SERIES if name in returns.columns
    ]


def called(label: str, metrics: Record) -> str:
    """Return a label; of the benchmark of the profile's choice its symbol."""
    symbol = (metrics.get("benchmark") or {}).get("symbol")
    return shorten(symbol, 14) if label == "benchmark" and symbol else label


def figure_rows(metrics: Record) -> list[tuple[str, Record]]:
    """Return label and block of the strategy, of its decisions traded at other lags (``validation.lags``), and of each
    benchmark that exists."""
    lags = metrics.get("lags", {})
    rows = [(label, metrics[name]) for name, label, _ in SERIES if metrics.get(name)]
    if not lags or not rows:
        return rows
    own = (f"at lag {rows[0][1].get('lag', '?')}", rows[0][1])
    others = [(f"at lag {lag}", block) for lag, block in sorted(lags.items(), key=lambda item: int(item[0]))]
    return [own, *others, *rows[1:]]


def verdict(inputs: Inputs) -> str:
    """Return how the strategy did after costs beside equal weight, and whether chance would give as much."""
    metrics = inputs["metrics"]
    ours, equal = metrics.get("strategy", {}), metrics.get("equal_weight", {})
    mine, other = defined(ours.get("sharpe")), defined(equal.get("sharpe"))
    if mine is None or other is None:
        return "No verdict: the Sharpe ratio of the strategy or of equal weight is undefined."
    word = "level with" if abs(mine - other) < 0.005 else "ahead of" if mine > other else "behind"
    return (
        f"After costs {word} equal weight: Sharpe {fixed(mine)} against {fixed(other)}, "
        f"{percent(ours.get('cagr'))} per year against {percent(equal.get('cagr'))}, "
        f"max drawdown {loss(ours.get('max_drawdown'))} against {loss(equal.get('max_drawdown'))}"
        f"{_odds(inputs['oos_returns'])}."
    )


def certainty(inputs: Inputs) -> str:
    """Return how sure it is that the strategy's true Sharpe ratio is above 0, and what record would show it.

    Of a selection run also what is left of that when the trials of its workspace are counted (deflated Sharpe).
    """
    ours = inputs["metrics"].get("strategy", {})
    probability, least = defined(ours.get("probabilistic_sharpe")), defined(ours.get("min_track_record"))
    if probability is None:
        return "Whether the Sharpe ratio is above 0 is undefined"
    enough = "no number of sessions would make it 95%"
    if least is not None:
        enough = f"95% needs {count(math.ceil(least))} sessions, and there are {count(ours.get('sessions'))}"
    return f"The Sharpe ratio is above 0 with probability {percent(probability)}{_deflated(inputs)}; {enough}"


def _deflated(inputs: Inputs) -> str:
    """Return the probability that is left when what was tried is counted, and the number used; nothing without one."""
    tried = inputs["run"].get("trials")
    found = estimate(column(inputs["oos_returns"], "net"))
    if tried is None or found is None:
        return ""
    left = deflated(found, [*tried["ratios"], found.ratio], tried["clusters"])
    return f", {percent(left.probability)} deflated for {left.number}"


def beside(metrics: Record) -> str:
    """Return how the strategy did beside the benchmark of the profile's choice; nothing without one."""
    found = metrics.get("benchmark")
    if not found:
        return ""
    return (
        f"Against {found['symbol']}: beta {fixed(found['beta'])}, alpha {percent(found['alpha'])} per year, "
        f"tracking error {percent(found['tracking_error'])}, information ratio {fixed(found['information_ratio'])}, "
        f"capture {percent(found['up_capture'], 0)} up, {percent(found['down_capture'], 0)} down. "
        f"{found['symbol']} is bought at the first trade and held, after the cost of that{_from(found)}."
    )


def _from(found: Record) -> str:
    """Return where a benchmark's prices are from, when they are not the universe's."""
    words = {"provider": "; it is not in the universe", "file": "; its prices are from a file"}
    return words.get(str(found.get("source")), "")


def _odds(returns: Any) -> str:
    t = t_value(column(returns, "net") - column(returns, "equal_weight"))
    if t is None:
        return ""
    meaning = "not statistically significant" if abs(t) < 2 else "statistically significant"
    return f"; the difference is {meaning} (t = {fixed(t, 1)})"


def t_value(differences: FloatArray) -> float | None:
    """Return Student's t of the mean of independent *differences*; None for fewer than 30 or without spread.

    Args:
        differences: Differences of paired returns, shape (T,); NaN are left out.
    """
    known = differences[np.isfinite(differences)]
    spread = float(known.std(ddof=1)) if len(known) >= 30 else 0.0
    return float(known.mean()) / spread * len(known) ** 0.5 if spread > 1e-15 else None


def exposure(weights: pd.DataFrame) -> tuple[float, float]:
    """Return the sums of the long and of the short weights, both >= 0."""
    signed = column(weights, "weight")
    return float(signed[signed > 0].sum()), float(-signed[signed < 0].sum())


def largest_group(weights: pd.DataFrame, by: str) -> tuple[Any, float] | None:
    """Return the group with the most absolute weight and its share of all; None without weights."""
    shares: dict[Any, float] = {}
    for group, weight in zip(weights[by], np.abs(column(weights, "weight")), strict=True):
        shares[group] = shares.get(group, 0.0) + float(weight)
    total = sum(shares.values())
    if not total:
        return None
    group = min(shares, key=lambda name: (-shares[name], str(name)))
    return group, shares[group] / total


def quarantined(inputs: Inputs) -> list[str]:
    """Return the symbols that failed a data contract, sorted, each once."""
    quality = inputs["quality"]
    return sorted(set(quality.loc[quality["outcome"] == "quarantined", "symbol"]))


def outcomes(decisions: pd.DataFrame) -> dict[str, int]:
    """Return how many symbols had each outcome of the policy, in the order of the pipeline."""
    counts = decisions["outcome"].value_counts()
    return {name: int(counts.get(name, 0)) for name in ("selected", "cut", "vetoed", "unscored")}


def level(inputs: Inputs) -> str:
    """Return the relaxation level that the winners needed, in words."""
    levels = inputs["winners"]["level"]
    if not len(levels):
        return "no winners at any level"
    highest = int(levels.max())
    relaxed = int((levels > 1).sum())
    tail = "" if highest == 1 else f", {plural(relaxed, 'winner')} above level 1"
    return f"level {highest} of 4 ({LEVELS.get(highest, 'unknown')}){tail}"


def rebalanced(metrics: Record) -> str:
    """Return how the rebalances out of sample were decided: how many by which method, and at which level."""
    done = metrics.get("rebalances", {})
    methods, levels, held = done.get("methods", {}), done.get("levels", {}), done.get("held", [])
    parts = [", ".join(f"{number} {name}" for name, number in sorted(methods.items(), key=lambda m: (-m[1], m[0])))]
    parts.append(", ".join(f"{number} at level {name}" for name, number in levels.items()))
    parts.append(f"{len(held)} not feasible" if held else "")
    said = "; ".join(filter(None, parts))
    return f"{plural(int(done.get('scheduled', 0)), 'rebalance')}{f': {said}' if said else ''}"


def allocation_line(allocation: Record, *, why: bool = True) -> str:
    """Return which method gave the weights and, when it is not the one that is configured, the reason if asked."""
    asked, used = allocation.get("method", "unknown"), allocation.get("used", "unknown")
    if asked == used:
        return f"{used} (as configured)"
    if not why:
        return f"{used} instead of {asked}"
    return f"{used}, since {asked} failed: {allocation.get('infeasible_because') or 'no reason recorded'}"


def survivors(metrics: Record) -> str:
    """Return whose universe the walk-forward had, and how many of its names have stopped trading; empty if unknown."""
    found = metrics.get("universe")
    if not found:
        return ""
    whose = "the members of each date" if found["members"] else "today's names (no universe.members)"
    return f"Universe: {whose}; {found['ended']} of {plural(found['names'], 'name')} ({percent(found['share'])}) ended"
