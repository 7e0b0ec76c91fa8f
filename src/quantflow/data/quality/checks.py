"""Every data check of a run in one record: what was allowed, the worst that was met, and whom it concerned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quantflow.config.data import DataConfig, OnJump
from quantflow.data.grid import CHECKS
from quantflow.data.names import CHECK
from quantflow.data.quality.contracts import Finding, ended, quarantined, severity_of

_WORST_FIRST = ("blocked", "quarantined", "ended", "warn", "passed")
_LESS_IS_WORSE = frozenset({"history"})

_ABOUT: dict[str, str] = {
    "before_start": "bars before data.start, cut",
    "after_as_of": "bars after the as-of, cut",
    "off_session": "bars on days that are no session, dropped",
    "unsorted": "bars out of order",
    "duplicate": "bars that came twice",
    "conflict": "sessions with two different bars",
    "printable": "texts with control characters or reordering marks",
    "readable": "files that cannot be read",
    "restated": "bars that the provider has changed since",
    "bounds": "bars not positive, not finite, or with a high below the low",
    "history": "sessions with a price",
    "gap": "sessions in a row missing",
    "holes": "fraction of sessions missing",
    "stale": "sessions in a row with the same close",
    "tail": "last sessions missing or unchanged",
    "last_bar": "sessions without a bar up to the as-of",
    "ended": "sessions since a symbol stopped trading",
    "spike": "largest jump that reverted, in MAD",
    "jump": "last jump that stays near a split's ratio, in MAD",
    "members": "members without any price",
    "identical": "symbols whose closes are those of another",
    "unmatched": "names in exclude and in files of names that match no symbol",
    "budget": "fraction of the symbols set aside",
}


def checks_record(
    judged: Sequence[Finding], symbols: Sequence[str], config: DataConfig, now: int | None = None
) -> dict[str, Any]:
    """Return the record of all checks.

    Args:
        judged: What each check found of each symbol, also where it passed.
        symbols: The symbols asked for.
        config: The limits, and what a breach of each does.
        now: How many of them are members at the as-of; all when None.

    Returns:
        ``asked``, ``kept`` and ``ended`` (numbers of symbols: asked for, usable at the as-of, no longer traded) and
        ``checks``, a mapping per check, in order: ``check``, ``about``, ``severity`` (warn, error), ``block``,
        ``limit``, ``observed`` (the worst of all symbols; None where nothing could be measured), ``outcome`` (passed,
        warn, ended, quarantined, blocked), ``symbols`` (those that failed).
    """
    by_check: dict[str, list[Finding]] = {}
    for finding in judged:
        by_check.setdefault(finding.check, []).append(finding)
    aside, over = quarantined(judged), ended(judged)
    past = 0 if now is None else len(symbols) - now
    kept = len(symbols) - past - len({*aside, *over})
    rows = [_row(name, action, limit, by_check.get(name, [])) for name, action, limit in _rules(config)]
    return {
        "asked": len(symbols),
        "kept": kept,
        "ended": len(over),
        "checks": [*rows, _budget(len(symbols), aside, kept, config.quarantine_budget)],
    }


def within_budget(asked: int, aside: int, left: int, budget: float) -> bool:
    """Return whether a run goes on without *aside* of the *asked* symbols.

    At least two must be left. A single one may always go, whatever fraction it is, unless *budget* is 0. Symbols that
    have stopped trading are not set aside: they are only not left.
    """
    return left >= 2 and aside <= max(budget * asked, float(budget > 0))


def _rules(config: DataConfig) -> list[tuple[str, OnJump, float]]:
    counted: list[tuple[str, OnJump, float]] = [(name, action, 0) for name, (_, action) in CHECKS.items()]
    return [
        *counted,
        (CHECK, "quarantine", 0),
        ("readable", "quarantine", 0),
        ("restated", config.on_restated, 0),
        ("bounds", "quarantine", 0),
        ("history", config.on_history, config.min_sessions),
        ("gap", config.on_gap, config.max_gap),
        ("holes", config.on_gap, config.max_holes),
        ("stale", config.on_stale, config.max_stale),
        ("tail", config.on_tail, config.max_tail),
        ("last_bar", "quarantine", 0),
        ("ended", "block" if config.on_tail == "block" else "warn", config.max_tail),
        ("spike", config.on_spike, config.spike_mad),
        ("jump", config.on_jump, config.jump_mad),
        ("members", "warn", 0),
        ("identical", "warn", 0),
        ("unmatched", "warn", 0),
    ]


def _row(name: str, action: OnJump, limit: float, found: Sequence[Finding]) -> dict[str, Any]:
    worst = min if name in _LESS_IS_WORSE else max
    outcomes = {finding.outcome for finding in found}
    counted = limit == 0
    return {
        "check": name,
        "about": _ABOUT[name],
        "severity": severity_of(action),
        "block": action == "block",
        "limit": limit,
        "observed": worst((finding.observed for finding in found), default=0.0 if counted else None),
        "outcome": next((outcome for outcome in _WORST_FIRST if outcome in outcomes), "passed"),
        "symbols": sorted({finding.symbol for finding in found if finding.outcome != "passed"}),
    }


def _budget(asked: int, aside: tuple[str, ...], left: int, budget: float) -> dict[str, Any]:
    within = within_budget(asked, len(aside), left, budget)
    return {
        "check": "budget",
        "about": _ABOUT["budget"],
        "severity": "error",
        "block": True,
        "limit": budget,
        "observed": len(aside) / asked if asked else None,
        "outcome": "passed" if within else "blocked",
        "symbols": [] if within else list(aside),
    }
