"""The section that lists rebalances: when, how many names, what was traded, what it cost, and how it was decided."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from quantflow.stages.report.facts import Inputs, rebalanced
from quantflow.stages.report.figures import DASH, count, day, percent
from quantflow.stages.report.proof.attribution import targets, traded
from quantflow.stages.report.render import boxed, nothing, part, section, table

HEAD = ("Traded", "Decided", "Names", "Turnover", "Cost", "Method", "Level", "Note")
MOST = 600
"""Rebalances that are listed."""


def rebalances(inputs: Inputs, held: Any, configured: str, *, cash: bool = True) -> Markup:
    """Return every rebalance out of sample, the last one first.

    Args:
        inputs: The run's artifacts.
        held: What was decided: ``date`` (traded), ``decided``, ``symbol`` and ``weight``.
        configured: The method that decides where no fallback did.
        cash: Whether a session that traded without a target went to cash; not so where sleeves trade in between.
    """
    title, frame, done = "Rebalances", inputs["oos_returns"], inputs["metrics"].get("rebalances", {})
    if not len(held) or not len(frame):
        return section("rebalances", title, nothing("There was no rebalance out of sample."))
    rows = [*_made(inputs, held, configured, cash), *_kept(done.get("held", []))]
    rows.sort(key=lambda row: row[1] if row[0] == DASH else row[0], reverse=True)
    shown = boxed(table("Rebalances", HEAD, rows[:MOST], words=frozenset({1, 5, 7})), len(rows))
    known = rebalanced(inputs["metrics"])
    lead = "Turnover: both sides, from the weights drifted to. Level: how far the policy was relaxed; 1 is strict."
    lead += f" The last {MOST} of them are listed." if len(rows) > MOST else ""
    return section("rebalances", title, part("lead", lead), shown, lead=f"{known[0].upper()}{known[1:]}.")


def _made(inputs: Inputs, held: Any, configured: str, cash: bool) -> list[list[str]]:
    frame, done = inputs["oos_returns"], inputs["metrics"].get("rebalances", {})
    fell = {str(each["date"])[:10]: each for each in done.get("fallbacks", [])}
    decided = {day(a): day(b) for a, b in zip(held["date"], held["decided"], strict=True)} if "decided" in held else {}
    count_of = (traded(frame, held) if cash else targets(held)).ne(0.0).sum(axis=1)
    rows = []
    for date, names in count_of.items():
        when, at = day(date), decided.get(day(date), DASH)
        paid = [percent(frame[name].get(date), digits) for name, digits in (("turnover", 1), ("cost", 3))]
        other = fell.get(at) or {}
        method = other.get("method") or configured
        rows.append([when, at, count(names), *paid, method, _level(done, at), other.get("reason") or ""])
    return rows


def _level(done: Any, decided: str) -> str:
    """Return the relaxation level of a decision; a dash where none is known."""
    if not done.get("levels"):
        return DASH
    relaxed = {str(each["date"])[:10]: each["level"] for each in done.get("relaxed", [])}
    return str(relaxed.get(decided, 1))


def _kept(held: Any) -> list[list[str]]:
    return [
        [DASH, day(each["date"]), DASH, DASH, DASH, "kept", DASH, f"No feasible portfolio: {each['reason']}"]
        for each in held
    ]
