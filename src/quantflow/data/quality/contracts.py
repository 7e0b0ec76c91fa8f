"""The contract that prices are held to: pure checks over raw bars and over the panel made of them.

Three steps. ``check_bars`` refuses what is not a table of bars. ``quantflow.data.grid`` orders the bars, takes out what
cannot be placed on the calendar and puts the rest on the grid of its sessions. ``check_panel`` judges each symbol's
series. The last two return findings; a finding that quarantines sets its symbol aside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantflow.config.data import DataConfig, OnFailure, OnJump
from quantflow.data.panel import FloatArray, Panel, SessionArray
from quantflow.data.providers.base import BAR_FIELDS
from quantflow.data.quality.jumps import Jump, jumps
from quantflow.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

QUALITY_COLUMNS: tuple[str, ...] = ("symbol", "check", "severity", "observed", "limit", "outcome", "reason", "date")
"""The columns of the quality table."""

EARLIEST = np.datetime64("1900-01-01")
"""No bar is dated before this day; a date that is, is a mistake that would make the grid boundless."""

PRICES: tuple[str, ...] = ("open", "high", "low", "close", "raw_close")

LATELY = 63
"""Sessions, a quarter, within which names that end together are taken for a source that broke off."""

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
        outcome: ``"passed"``; ``"warn"``; ``"ended"``: the symbol stopped trading; ``"quarantined"``: the symbol is set
            aside; ``"blocked"``: nothing goes on.
        reason: One short sentence for people.
        date: The session that it is about, ISO; empty where it is about many.
    """

    symbol: str
    check: str
    severity: str
    observed: float
    limit: float
    outcome: str
    reason: str
    date: str = ""


_OUTCOMES: dict[OnJump, tuple[str, str]] = {
    "warn": ("warn", "warn"),
    "hold": ("warn", "warn"),
    "quarantine": ("error", "quarantined"),
    "block": ("error", "blocked"),
}
"""Severity and outcome of a failed check, by what the profile says it does."""


def found(
    symbol: str, check: str, measured: tuple[float, float], reason: str, action: OnJump, date: str = ""
) -> Finding:
    """Return the finding of a failed check; *measured* is (observed, limit)."""
    severity, outcome = _OUTCOMES[action]
    return Finding(symbol, check, severity, float(measured[0]), float(measured[1]), outcome, reason, date)


def severity_of(action: OnJump) -> str:
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


def ended(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the symbols that stopped trading, sorted."""
    return tuple(sorted({finding.symbol for finding in findings if finding.outcome == "ended"}))


DATED = frozenset({"history", "gap", "holes", "stale", "tail", "last_bar", "spike", "jump"})
"""Checks whose answer depends on the date: a symbol that fails one now could be used before."""


def unusable(findings: Iterable[Finding]) -> set[str]:
    """Return the symbols whose whole series cannot be used, at no date."""
    return {each.symbol for each in findings if each.outcome == "quarantined" and each.check not in DATED}


def broken_off(findings: Sequence[Finding], asked: int, panel: Panel, config: DataConfig) -> list[Finding]:
    """Return *findings*, in which symbols are set aside that ended lately, and all on one session.

    Names die one by one. When more than the budget end together within ``LATELY`` sessions, a source broke off.

    Args:
        findings: What the checks found.
        asked: How many symbols were asked for.
        panel: What was checked.
        config: The budget.
    """
    recent = set(panel.sessions[-LATELY:].astype(str).tolist())
    days = Counter(each.date for each in findings if each.outcome == "ended" and each.date in recent)
    broken = {day for day, count in days.items() if count > max(1.0, config.quarantine_budget * asked)}
    return [
        replace(each, severity="error", outcome="quarantined", reason=f"{each.reason}, like {days[each.date]} in all")
        if each.outcome == "ended" and each.date in broken
        else each
        for each in findings
    ]


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


def judge_panel(panel: Panel, config: DataConfig, among: Collection[str] | None = None) -> list[Finding]:
    """Return what every check measured of each symbol's series, also of those that passed.

    Whether a symbol may be used is judged at the panel's last session, with all that is known by then;
    ``quantflow.data.quality.usable`` gives the same answer for any session.

    Args:
        panel: Prices on the sessions grid, NaN = hole.
        config: The limits, and what a breach of each does.
        among: The symbols that may be used at all; of the others only the bounds are judged. All when None.
    """
    findings: list[Finding] = []
    for row, symbol in enumerate(panel.symbols):
        fields = {name: values[row] for name, values in panel.fields.items()}
        findings += _check_bounds(symbol, fields)
        if among is None or symbol in among:
            findings += _check_series(symbol, panel.sessions, fields, config)
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


def _check_series(
    symbol: str, sessions: SessionArray, fields: dict[str, FloatArray], config: DataConfig
) -> list[Finding]:
    close = fields["close"]
    there = np.flatnonzero(~np.isnan(close))
    if not len(there):
        action: OnFailure = "quarantine" if config.on_history == "warn" else config.on_history
        return [found(symbol, "history", (0, config.min_sessions), "no price at all", action)]
    missing = len(close) - 1 - int(there[-1])
    if (stop := ended_at(close, config)) is not None:
        return [_ended(symbol, str(sessions[stop]), len(close) - 1 - stop, config)]
    measured = _measured(close[there[0] : there[-1] + 1], close[there], missing, config)
    findings = [
        found(symbol, check, (abs(value), abs(limit)), reason.format(abs(value)), action)
        if value > limit
        else Finding(symbol, check, severity_of(action), float(abs(value)), float(abs(limit)), "passed", "")
        for check, value, limit, action, reason in measured
    ]
    if 0 < missing <= config.max_tail:
        reason = f"no bar since {sessions[there[-1]]}"
        findings.append(found(symbol, "last_bar", (missing, 0), reason, "quarantine"))
    return [*findings, *_check_jumps(symbol, sessions, fields, config)]


def ended_at(close: FloatArray, config: DataConfig) -> int | None:
    """Return the session of a series' last move, if it has stopped trading; None while it goes on.

    It has stopped when it has no bar for longer than ``max_tail`` sessions; or, unless a flat tail only warns, when its
    close has stayed the same to the end for longer than ``max_stale`` too, as where a source repeats the last price.

    Args:
        close: Closes, shape (T,), NaN = hole.
        config: The limits.
    """
    there = np.flatnonzero(~np.isnan(close))
    if not len(there):
        return None
    still, missing = _still(close[there]), len(close) - 1 - int(there[-1])
    padded = config.on_tail != "warn" and still + missing > max(config.max_tail, config.max_stale)
    return int(there[len(there) - 1 - still]) if padded or missing > config.max_tail else None


def _ended(symbol: str, day: str, since: int, config: DataConfig) -> Finding:
    measured, reason = (since, config.max_tail), f"it stopped trading: its last move is of {day}"
    if config.on_tail == "block":
        return found(symbol, "ended", measured, reason, "block", day)
    return Finding(symbol, "ended", "warn", float(since), float(config.max_tail), "ended", reason, day)


def _still(close: FloatArray) -> int:
    """Return how many closes at the end are the one before them, of a series without holes."""
    return _run_at_end(np.diff(close, prepend=np.nan) == 0)


Measured = tuple[tuple[str, float, float, OnFailure, str], ...]
"""Check, value, limit, action and reason of each; a value above its limit has failed."""


def _measured(inside: FloatArray, close: FloatArray, missing: int, config: DataConfig) -> Measured:
    """Return what is measured of the closes from the first to the last, with holes (*inside*) and without."""
    holes, flat = np.isnan(inside), np.diff(close, prepend=np.nan) == 0
    tail = _still(close) + missing
    return (
        ("history", -len(close), -config.min_sessions, config.on_history, "only {} sessions have a price"),
        ("gap", _longest_run(holes), config.max_gap, config.on_gap, "{} sessions in a row are missing"),
        ("holes", float(holes.mean()), config.max_holes, config.on_gap, "{:.1%} of the sessions are missing"),
        ("stale", _longest_run(flat), config.max_stale, config.on_stale, "the close did not move for {} sessions"),
        ("tail", tail, config.max_tail, config.on_tail, "the last {} sessions are missing or did not move"),
        ("spike", largest_spike(close), config.spike_mad, config.on_spike, "a jump of {:.0f} MAD reverted"),
    )


def _check_jumps(
    symbol: str, sessions: SessionArray, fields: dict[str, FloatArray], config: DataConfig
) -> list[Finding]:
    """Return a finding for the latest jump that stays, or that it passed."""
    staying = [jump for jump in jumps_of(symbol, sessions, fields, config) if not jump.reverts]
    if not staying:
        return [Finding(symbol, "jump", severity_of(config.on_jump), 0.0, config.jump_mad, "passed", "")]
    last, day = staying[-1], str(sessions[staying[-1].position])
    more = f"; {len(staying)} in all" if len(staying) > 1 else ""
    times = f"{last.ratio:.4g} times" if last.ratio > 1 else f"1/{1 / last.ratio:.4g} of"
    reason = f"the close of {day} is {times} the one before, and stays: {last.cause}?{more}"
    return [found(symbol, "jump", (last.size, config.jump_mad), reason, config.on_jump, day)]


def jumps_of(symbol: str, sessions: SessionArray, fields: dict[str, FloatArray], config: DataConfig) -> list[Jump]:
    """Return the jumps of a symbol's series but those that ``data.real_moves`` says are the market's."""
    known = {move.rpartition(" ")[2] for move in config.real_moves if move.rpartition(" ")[0] == symbol}
    every = jumps(fields["close"], config.jump_mad, fields.get("volume"), fields.get("raw_close"))
    return [jump for jump in every if str(sessions[jump.position]) not in known]


def _longest_run(flags: BoolArray) -> int:
    """Return the length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _run_at_end(flags: BoolArray) -> int:
    """Return how many True end *flags*."""
    moved = np.flatnonzero(~flags)
    return len(flags) - 1 - int(moved[-1]) if len(moved) else len(flags)


def largest_spike(close: FloatArray) -> float:
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
