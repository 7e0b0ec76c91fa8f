"""The brief: the run on at most 15 lines of plain text, for a mail or a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from quantflow.stages.report import changes, signals, track
from quantflow.stages.report.facts import (
    Inputs,
    allocation_line,
    certainty,
    column,
    exposure,
    figure_rows,
    largest_group,
    level,
    max_drawdown,
    outcomes,
    quarantined,
    rebalanced,
    sessions,
    verdict,
)
from quantflow.stages.report.figures import loss, percent, plural, sharpe
from quantflow.stages.report.render import shorten
from quantflow.types import Record

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 100
LINES = 15
NAMES = 5


def brief(inputs: Inputs) -> str:
    """Return the brief: at most ``LINES`` lines of at most ``WIDTH`` characters."""
    return written(_lines(inputs))


def written(lines: Iterable[str]) -> str:
    """Return the first ``LINES`` of *lines* as text, each cut to ``WIDTH`` characters."""
    return "".join(f"{_cut(_plain(line))}\n" for line in list(lines)[:LINES])


def _cut(line: str) -> str:
    whole = shorten(line, WIDTH)
    return _plain(shorten(line, WIDTH - 2)) if whole.endswith("…") else whole  # an ellipsis is three characters


def _plain(line: str) -> str:
    signs: dict[str, str | int | None] = {"−": "-", "–": "-", "…": "..."}
    return line.translate(str.maketrans(signs))  # mails and old terminals mangle typographic signs


def _lines(inputs: Inputs) -> Iterator[str]:
    run = inputs["run"]
    yield f"{shorten(run['profile'], 40)} as of {run['as_of']}, run {run['run_id']}"
    notes = "; ".join(map(str, run.get("notes", [])))
    if run.get("degraded"):
        yield from wrapped(f"DEGRADED: {notes or 'see the report'}")
    elif notes:
        yield from wrapped(f"Note: {notes}", 2)
    yield from wrapped(f"Verdict: {verdict(inputs)}")
    yield weights(inputs["weights"])
    yield changes.line(inputs, WIDTH)
    yield from track.line(inputs)
    yield trading(inputs)
    yield _aside(inputs)
    yield _risk(inputs)
    yield from wrapped(f"Winners: {level(inputs)}. Allocation: {allocation_line(inputs['allocation'], why=False)}")
    yield from figures(inputs)  # last, with what says most first: only so many lines are kept
    yield _decided(inputs)
    yield from signals.line(inputs)


def wrapped(text: str, lines: int = 3) -> list[str]:
    """Return *text* on at most so many *lines*, with an ellipsis where it is cut."""
    return wrap(text, WIDTH, subsequent_indent="  ", max_lines=lines, placeholder=" ...")


def weights(frame: pd.DataFrame) -> str:
    """Return how many names are held, long and short, and as many of the largest as fit on the line."""
    long, short = exposure(frame)
    start = f"Weights: {plural(len(frame), 'name')} (long {percent(long, 0)}, short {percent(short, 0)})"
    named = [f"{shorten(s, 10)} {percent(w)}" for s, w in zip(frame.index, column(frame, "weight"), strict=True)]
    for shown in range(min(NAMES, len(named)), 0, -1):
        more = f", {len(named) - shown} more" if len(named) > shown else ""
        if len(line := f"{start}: {', '.join(named[:shown])}{more}") <= WIDTH:
            return line
    return start


def trading(inputs: Inputs) -> str:
    """Return what was traded and what that cost, per year."""
    frame, year = inputs["oos_returns"], float(inputs["metrics"]["annualisation"])
    years = len(frame) / year or float("nan")
    traded, cost = (float(np.nansum(column(frame, name))) / years for name in ("turnover", "cost"))
    return f"Turnover: {percent(traded, 0)} per year, both sides, cost {percent(cost, 2)} per year, out of sample"


def _decided(inputs: Inputs) -> str:
    done = rebalanced(inputs["metrics"])
    return f"{done[0].upper()}{done[1:]}"


def figures(inputs: Inputs) -> Iterator[str]:
    """Yield a small table: a heading, then the strategy, at all lags asked for, and each benchmark; then how sure."""
    metrics = inputs["metrics"]
    ours = metrics.get("strategy", {})
    head = f"{'Out of sample':15}{'Sharpe':<27}{'per year':>9}{'vol':>8}{'max DD':>9}"
    yield f"{head}  since {ours.get('start') or '?'}"
    for label, block in figure_rows(metrics):
        shares = f"{percent(block.get('cagr')):>9}{percent(block.get('volatility')):>8}"
        yield f"  {label:13}{sharpe(block):<27}{shares}{loss(block.get('max_drawdown')):>9}"
    yield from wrapped(certainty(inputs))[:2]


def _whose(metrics: Record) -> str:
    """Return whose universe the figures are of, and the share of its names that have ended."""
    if not (found := metrics.get("universe")):
        return ""
    names = "members by date" if found["members"] else "today's names"
    return f"; {names}, {percent(found['share'])} ended"


def _aside(inputs: Inputs) -> str:
    failed, counts = quarantined(inputs), outcomes(inputs["decisions"])
    named = f" ({', '.join(shorten(symbol, 10) for symbol in failed[:3])}{', ...' if failed[3:] else ''})"
    rest = ", ".join(f"{counts[name]} {name}" for name in ("vetoed", "cut", "unscored"))
    return f"Set aside: {len(failed)} by the data gate{named if failed else ''}; {rest}{_whose(inputs['metrics'])}"


def _risk(inputs: Inputs) -> str:
    frame, group = inputs["oos_returns"], largest_group(inputs["weights"], "cluster")
    most = (
        f"cluster {group[0]} holds {percent(group[1], 0)} of {plural(len(inputs['weights']), 'name')}" if group else ""
    )
    if not len(frame):
        return f"Risk: {most or 'unknown, nothing is held'}"
    return f"Risk: {most}; {fallen(frame)}"


def fallen(frame: pd.DataFrame) -> str:
    """Return the max drawdown out of sample: how far, from when to when, and how far below its peak wealth is now."""
    fall = max_drawdown(sessions(frame), column(frame, "net"))
    return f"max drawdown {loss(fall.depth)} from {fall.peak} to {fall.bottom}, now {loss(fall.now)}"
