"""How figures are written: one sign, one dash for what is undefined, no locale."""

from __future__ import annotations

import math
from typing import Any

from quantflow.types import Record

DASH = "–"


def defined(value: Any) -> float | None:
    """Return *value* as a finite float; None if it is missing, NaN, infinite or no number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def fixed(value: Any, digits: int = 2, *, signed: bool = False) -> str:
    """Return a figure with *digits* decimals, thousands separated, or a dash."""
    number = defined(value)
    if number is None:
        return DASH
    number = round(number, digits) + 0.0  # + 0.0 turns -0.0 into 0.0
    text = f"{number:{'+' if signed else ''},.{digits}f}" if abs(number) < 1e15 else f"{number:.3g}"
    return text.replace("-", "−")


def percent(value: Any, digits: int = 1, *, signed: bool = False) -> str:
    """Return a fraction as a percentage, e.g. 0.123 as ``12.3%``, or a dash."""
    number = defined(value)
    return DASH if number is None else f"{fixed(100.0 * number, digits, signed=signed)}%"


def tick(value: float, decimals: int) -> str:
    """Return the label of a percentage on an axis whose step needs so many *decimals* as a fraction."""
    return percent(value, max(0, decimals - 2))


def multiple(value: float, decimals: int) -> str:
    """Return a growth of 1 as a multiple."""
    return f"{fixed(value, decimals)}×"


def loss(value: Any, digits: int = 1) -> str:
    """Return a loss as a negative percentage, whichever sign it is kept with."""
    number = defined(value)
    return DASH if number is None else percent(-abs(number), digits)


def significant(value: Any, digits: int = 4) -> str:
    """Return a figure of unknown size with *digits* significant digits, or a dash."""
    number = defined(value)
    if number is None:
        return DASH
    return f"{number + 0.0:.{digits}g}".replace("-", "−")


def sharpe(block: Record) -> str:
    """Return the Sharpe ratio of a block of ``metrics`` with its interval, e.g. ``0.84 (95%: 0.31 to 1.37)``."""
    low, high = (defined(block.get(name)) for name in ("sharpe_low", "sharpe_high"))
    ratio = fixed(block.get("sharpe"))
    return ratio if low is None or high is None else f"{ratio} (95%: {fixed(low)} to {fixed(high)})"


def count(value: Any) -> str:
    """Return a whole number with thousands separated, or a dash."""
    return fixed(value, 0)


def day(value: Any) -> str:
    """Return the date of a session or ISO time as ``YYYY-MM-DD``."""
    return str(value)[:10]


def plural(number: int, noun: str) -> str:
    """Return e.g. ``1 name``, ``2 names``."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"
