"""The table of features: allowed names, columns, preferred sides and documentation follow from it.

To add one: a row here, and its column in ``quantflow.quant.features`` (``COLUMNS``, a numpy function of bars).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Side = Literal["high", "low"]


@dataclass(frozen=True)
class Feature:
    """One number per symbol, from its bars up to the last session.

    Attributes:
        name: Its name: the column of ``features``, the key in ``scores.weights``.
        better: The side that a long position prefers.
        unit: What it is measured in.
        meaning: Its definition in one line.
        least: Observations that it needs; with fewer it is NaN.
        source: Author and year; empty when it is common.
        directional: Whether a short position reads it the other way round; a risk means the same for both.
    """

    name: str
    better: Side
    unit: str
    meaning: str
    least: str
    source: str = ""
    directional: bool = False


_ROWS = (
    Feature(
        *("momentum", "high", "fraction"),
        "close `momentum_skip` sessions ago over that `momentum_long` ago, minus 1; a missing bar is replaced by the "
        "last of the 5 sessions before",
        least="both closes",
        source="Jegadeesh & Titman (1993)",
        directional=True,
    ),
    Feature(
        *("volatility", "low", "fraction per year"),
        "annualised standard deviation (n - 1) of returns; 0 when they are constant",
        least="20 returns",
    ),
    Feature(
        *("skewness", "high", "number"),
        "third standardised population moment of returns; NaN when they are constant",
        least="20 returns",
        directional=True,
    ),
    Feature(
        *("kurtosis", "low", "number"),
        "fourth standardised population moment of returns, minus 3; NaN when they are constant",
        least="20 returns",
    ),
    Feature(
        *("cvar", "low", "fraction per session"),
        "mean of the worst 5 % of returns (their number rounded up), sign turned: 0.03 is a loss of 3 %",
        least="20 returns",
        source="Rockafellar & Uryasev (2000)",
    ),
    Feature(
        *("entropy", "low", "0 to 1"),
        "normalised permutation entropy of returns, order 5, delay 1; NaN when they are constant",
        least="120 patterns that touch no hole",
        source="Bandt & Pompe (2002)",
    ),
    Feature(
        *("efficiency", "high", "0 to 1"),
        "distance from first to last close over the length of the path; NaN when the price never moves",
        least="21 bars",
        source="Kaufman (1995)",
    ),
    Feature(
        *("hurst", "high", "exponent"),
        "Hurst exponent of returns by rescaled range: 0.5 is a random walk, above it persistent; NaN when they are "
        "constant, or vary on fewer than 3 block sizes",
        least="128 returns",
        source="Mandelbrot & Wallis (1969), Anis & Lloyd (1976)",
    ),
    Feature(
        *("drawdown", "low", "fraction"),
        "deepest loss from a peak of the closes: 0.2 is a loss of 20 %",
        least="21 bars",
    ),
    Feature(
        *("liquidity", "high", "currency per session"),
        "median of raw close times volume, the close where there is no raw one; NaN without volume",
        least="20 sessions",
    ),
    Feature(
        *("trend", "high", "fraction"),
        "last close over the mean of the last `trend_window`, minus 1; NaN when the last 6 sessions have no bar",
        least="three quarters of the window",
        directional=True,
    ),
    Feature(
        *("adx", "high", "0 to 100"),
        "average directional index, period 14; NaN without highs and lows, or when the last 6 sessions have no bar "
        "with them",
        least="28 bars",
        source="Wilder (1978)",
    ),
    Feature(
        *("observations", "high", "count"),
        "returns that the other features are estimated from, those of the last `lookback` sessions",
        least="nothing",
    ),
)

FEATURES: Mapping[str, Feature] = {feature.name: feature for feature in _ROWS}
"""Every feature by name, in the order of the columns of ``features``."""
