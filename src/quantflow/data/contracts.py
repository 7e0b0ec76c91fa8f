"""The contract that prices are held to: pure checks over raw bars and over the panel made of them.

Three steps. ``check_bars`` refuses what is not a table of bars. ``quantflow.data.grid`` orders the bars, takes out what
cannot be placed on the calendar and puts the rest on the grid of its sessions. ``check_panel`` judges each symbol's
series. The last two return findings; a finding that quarantines sets its symbol aside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantflow.config.data import DataConfig, OnFailure
from quantflow.data.panel import FloatArray, Panel
from quantflow.data.providers.base import BAR_FIELDS
from quantflow.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

QUALITY_COLUMNS: tuple[str, ...] = ("symbol", "check", "severity", "observed", "limit", "outcome", "reason")
"""The columns of the quality table."""

EARLIEST = np.datetime64("1900-01-01")
"""No bar is dated before this day; a date that is, is a mistake that would make the grid boundless."""

PRICES: tuple[str, ...] = ("open", "high", "low", "close")

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, order=True)
class Finding:
    """What one check found of one symbol.

    Attributes:
        symbol: The symbol.
        check: The check's name.
        severity: ``"warn"`` or ``"error"``.
        observed: What was measured, in the check's unit.
        limit: What is allowed.
        outcome: ``"passed"``; ``"warn"``; ``"quarantined"``: the symbol is set aside; ``"blocked"``: nothing goes on.
        reason: One short sentence for people.
    """

    symbol: str
    check: str
    severity: str
    observed: float
    limit: float
    outcome: str
    reason: str


_OUTCOMES: dict[OnFailure, tuple[str, str]] = {
    "warn": ("warn", "warn"),
    "quarantine": ("error", "quarantined"),
    "block": ("error", "blocked"),
}
"""Severity and outcome of a failed check, by what the profile says it does."""


def found(symbol: str, check: str, measured: tuple[float, float], reason: str, action: OnFailure) -> Finding:
    """Return the finding of a failed check; *measured* is (observed, limit)."""
    severity, outcome = _OUTCOMES[action]
    return Finding(symbol, check, severity, float(measured[0]), float(measured[1]), outcome, reason)


def severity_of(action: OnFailure) -> str:
    """Return the severity of a check: ``"warn"`` or ``"error"``."""
    return _OUTCOMES[action][0]


def quality_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return the findings as a DataFrame with ``QUALITY_COLUMNS``, sorted by symbol and check."""
    import pandas as pd

    rows = [astuple(finding) for finding in sorted(findings)]
    frame = pd.DataFrame(rows, columns=list(QUALITY_COLUMNS))
    numbers = {"observed": "float64", "limit": "float64"}
    return frame.astype({name: numbers.get(name, "str") for name in QUALITY_COLUMNS})


def quarantined(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the symbols that are set aside, sorted."""
    return tuple(sorted({finding.symbol for finding in findings if finding.outcome == "quarantined"}))


def failed(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings of checks that did not pass."""
    return [finding for finding in findings if finding.outcome != "passed"]


def restated(provider: Any, action: OnFailure = "warn") -> list[Finding]:
    """Return a finding for each symbol whose history the provider saw change since it was last fetched.

    Args:
        provider: A provider whose bars have been fetched. It may have an attribute ``restated``: the days whose bars
            are not what they were, ascending, by symbol.
        action: What such a symbol does.
    """
    changed = getattr(provider, "restated", None) or {}
    reason = "{} bars from {} to {} are not what they were when fetched before"
    return [
        found(symbol, "restated", (len(days), 0), reason.format(len(days), days[0], days[-1]), action)
        for symbol, days in sorted(changed.items())
    ]


def unreadable(provider: Any) -> list[Finding]:
    """Return a finding for each symbol whose bars the provider could not read.

    Args:
        provider: A provider whose bars have been fetched. It may have an attribute ``unreadable``: what is wrong, by
            symbol.
    """
    broken = getattr(provider, "unreadable", None) or {}
    return [found(symbol, "readable", (1, 0), reason, "quarantine") for symbol, reason in sorted(broken.items())]


def check_bars(bars: pd.DataFrame) -> None:
    """Check that *bars* is a table as ``Provider.bars`` promises it.

    Raises:
        DataError: If a column is missing or of the wrong type, or a bar has no date or one before 1900.
    """
    if missing := [name for name in ("symbol", "date", "close") if name not in bars.columns]:
        raise DataError(
            f"The provider's bars have no column {missing[0]!r}.",
            hint="Bars are a table with symbol, date, close and, where there are any, open, high, low, volume.",
        )
    if bars["date"].dtype.kind != "M" or getattr(bars["date"].dtype, "tz", None) is not None:
        raise DataError(
            f"The provider's dates are {bars['date'].dtype}, not datetime64 without a time zone.",
            hint="A bar is dated by its session.",
        )
    if bars["date"].isna().any():
        raise DataError("The provider returned a bar without a date.", hint="Fix or change the provider.")
    if len(bars) and (first := bars["date"].to_numpy().astype("datetime64[D]").min()) < EARLIEST:
        raise DataError(f"The provider returned a bar dated {first}, before 1900.", hint="Fix or change the provider.")
    for name in BAR_FIELDS:
        if name in bars.columns and bars[name].dtype.kind not in "fiu":
            raise DataError(f"The provider's {name!r} is {bars[name].dtype}, not a number.", hint="Fix the provider.")


def check_panel(panel: Panel, config: DataConfig) -> list[Finding]:
    """Return what is wrong with each symbol's series.

    Args:
        panel: Prices on the sessions grid, NaN = hole.
        config: The limits, and what a breach of each does.
    """
    return failed(judge_panel(panel, config))


def judge_panel(panel: Panel, config: DataConfig) -> list[Finding]:
    """Return what every check measured of each symbol's series, also of those that passed.

    Args:
        panel: Prices on the sessions grid, NaN = hole.
        config: The limits, and what a breach of each does.
    """
    findings: list[Finding] = []
    for row, symbol in enumerate(panel.symbols):
        findings += _check_bounds(symbol, {name: values[row] for name, values in panel.fields.items()})
        findings += _check_close(symbol, panel.close[row], config)
    return findings


def _check_bounds(symbol: str, fields: dict[str, FloatArray]) -> list[Finding]:
    """Prices are finite and positive, volume is finite and not negative, no high is below its low: never relaxed."""
    bad = np.zeros(len(fields["close"]), dtype=bool)
    for name, values in fields.items():
        floor = values <= 0 if name in PRICES else values < 0
        bad |= floor | np.isinf(values)
    if "high" in fields and "low" in fields:
        bad |= fields["high"] < fields["low"]
    count = int(bad.sum())
    reason = f"{count} bars are not positive, not finite, or have a high below the low"
    return [found(symbol, "bounds", (count, 0), reason, "quarantine")] if count else []


def _check_close(symbol: str, close: FloatArray, config: DataConfig) -> list[Finding]:
    there = np.flatnonzero(~np.isnan(close))
    if not len(there):
        action: OnFailure = "quarantine" if config.on_history == "warn" else config.on_history
        return [found(symbol, "history", (0, config.min_sessions), "no price at all", action)]
    inside = close[there[0] : there[-1] + 1]
    holes = np.isnan(inside)
    flat = np.diff(close[there], prepend=np.nan) == 0
    tail = _run_at_end(flat) + len(close) - 1 - int(there[-1])
    measured: tuple[tuple[str, float, float, OnFailure, str], ...] = (
        ("history", -len(there), -config.min_sessions, config.on_history, "only {} sessions have a price"),
        ("gap", _longest_run(holes), config.max_gap, config.on_gap, "{} sessions in a row are missing"),
        ("holes", holes.mean(), config.max_holes, config.on_gap, "{:.1%} of the sessions are missing"),
        ("stale", _longest_run(flat), config.max_stale, config.on_stale, "the close did not move for {} sessions"),
        ("tail", tail, config.max_tail, config.on_tail, "the last {} sessions are missing or did not move"),
        ("spike", _largest_spike(close[there]), config.spike_mad, config.on_spike, "a jump of {:.0f} MAD reverted"),
    )
    return [
        found(symbol, check, (abs(value), abs(limit)), reason.format(abs(value)), action)
        if value > limit
        else Finding(symbol, check, severity_of(action), float(abs(value)), float(abs(limit)), "passed", "")
        for check, value, limit, action, reason in measured
    ]


def _longest_run(flags: BoolArray) -> int:
    """Return the length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _run_at_end(flags: BoolArray) -> int:
    """Return how many True end *flags*."""
    moved = np.flatnonzero(~flags)
    return len(flags) - 1 - int(moved[-1]) if len(moved) else len(flags)


def _largest_spike(close: FloatArray) -> float:
    """Return the largest jump that the next session takes back by half or more.

    Args:
        close: Closes without holes, shape (n,), oldest first.

    Returns:
        The jump's distance from the median log return in median absolute deviations (unscaled); 0.0 if no jump
        reverts, or the deviation is zero or undefined. A jump in the last session cannot have reverted yet.
    """
    if len(close) < 3 or not (np.isfinite(close) & (close > 0)).all():
        return 0.0
    steps = np.diff(np.log(close))
    away = np.abs(steps - np.median(steps))
    mad = float(np.median(away))
    reverts = np.abs(steps[1:] + steps[:-1]) <= np.abs(steps[:-1]) / 2
    largest = float(away[:-1][reverts].max(initial=0.0))
    return largest / mad if mad > 0 else 0.0
