"""The ``scores`` section: how features become one score per symbol."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from quantflow.config.base import Section
from quantflow.errors import unknown_name

Side = Literal["high", "low"]
ProbabilityMap = Literal["rank", "normal_cdf", "logistic"]
Direction = Literal["LONG", "SHORT"]

BETTER: dict[str, Side] = {
    "momentum": "high",
    "volatility": "low",
    "skewness": "high",
    "kurtosis": "low",
    "cvar": "low",
    "entropy": "low",
    "efficiency": "high",
    "hurst": "high",
    "drawdown": "low",
    "liquidity": "high",
    "trend": "high",
    "adx": "high",
}
"""Every feature, in the order of the ``features`` artifact, and the side of it that a long position prefers."""

DIRECTIONAL = frozenset({"momentum", "trend", "skewness"})
"""Features that a short position reads the other way round; risk features mean the same for both."""

_DEFAULT_WEIGHTS = {"momentum": 1.0, "volatility": 0.5, "cvar": 0.5, "entropy": 0.25, "efficiency": 0.5, "trend": 0.5}


class ScoresConfig(Section):
    """How features become one score per symbol."""

    scorer: str = Field("log_mps", description="Scorer: log_mps, or one that a plug-in registers.", min_length=1)
    weights: dict[str, float] = Field(
        default_factory=lambda: dict(_DEFAULT_WEIGHTS),
        description="Weight of each feature in the score, > 0; features that are not named do not count.",
        min_length=1,
    )
    maps: dict[str, ProbabilityMap] = Field(
        default_factory=dict,
        description="How a feature becomes a probability: rank (default), normal_cdf of its z-score, "
        "or logistic of its robust z-score.",
    )
    prefer: dict[str, Side] = Field(
        default_factory=dict,
        description="Side of a feature that a long position prefers, high or low, where it is not the usual one; "
        'momentum = "low" buys losers (mean reversion).',
    )
    directions: tuple[Direction, ...] = Field(
        ("LONG",), description="Directions that a symbol may be held in: LONG, SHORT or both.", min_length=1
    )

    @field_validator("weights", "maps", "prefer")
    @classmethod
    def _known_features(cls, value: dict[str, object]) -> dict[str, object]:
        for name in value:
            if name not in BETTER:
                error = unknown_name("feature", name, BETTER)
                raise ValueError(f"{error.message} {error.hint}")
        return {name: value[name] for name in BETTER if name in value}

    @field_validator("weights")
    @classmethod
    def _positive(cls, value: dict[str, float]) -> dict[str, float]:
        for name, weight in value.items():
            if not 0.0 < weight < float("inf"):
                raise ValueError(f"The weight of {name!r} is {weight}; it must be positive and finite.")
        return value

    @field_validator("directions")
    @classmethod
    def _long_first(cls, value: tuple[Direction, ...]) -> tuple[Direction, ...]:
        return tuple(sorted(set(value)))

    def sign(self, feature: str, direction: Direction) -> float:
        """Return +1.0 if more of *feature* is better in *direction*, else -1.0."""
        high = self.prefer.get(feature, BETTER[feature]) == "high"
        flipped = direction == "SHORT" and feature in DIRECTIONAL
        return 1.0 if high != flipped else -1.0
