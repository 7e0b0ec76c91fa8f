"""The sections that only a meta profile has: its sleeves, and how capital is divided among them and moved."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from quantflow.config.methods import COVARIANCE, MEAN, AllowedMethod, Covariance, Mean
from quantflow.config.operation import WalkForwardConfig
from quantflow.config.sections import NAME, Section

MetaMethod = Annotated[str, AllowedMethod(sleeves=True)]
RESERVED = "date"
"""The one name that a sleeve cannot have: the streams' table has a column of that name."""


class MetaAllocation(Section):
    """How capital is divided among sleeves; weights are fractions of capital, an absent limit does not limit."""

    method: MetaMethod = Field("risk_parity", description="how capital is divided")
    fallbacks: tuple[MetaMethod, ...] = Field(
        ("hrp", "equal_weight"),
        description="methods tried in this order when the one before fails; the method itself is not tried twice",
    )
    covariance: Covariance = Field("shrunk", description=COVARIANCE)
    mean: Mean = Field("empirical", description=MEAN)
    min_weight: float = Field(0.0, ge=0, le=10, description="smallest weight of a sleeve that has none of its own")
    max_weight: float | None = Field(
        None, gt=0, le=10, description="largest weight of a sleeve that has none of its own"
    )
    lookback: int = Field(504, ge=60, description="sessions of out-of-sample returns that the method sees")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_weight is not None and self.min_weight > self.max_weight:
            raise ValueError(f"min_weight {self.min_weight:g} is above max_weight {self.max_weight:g}")
        return self

    @property
    def chain(self) -> tuple[str, ...]:
        """The methods in the order in which they are tried, each once."""
        return tuple(dict.fromkeys((self.method, *self.fallbacks)))


class SleeveName(Section):
    """A sleeve's entry as a stage sees it that reads its name alone."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field("", pattern=NAME, description="the sleeve's name in the portfolio; the profile's when absent")


class SleeveBounds(SleeveName):
    """A sleeve's entry as a stage sees it that reads its name and its limits."""

    min_weight: float | None = Field(
        None, ge=0, le=10, description="smallest weight of this sleeve; that of the allocation section when absent"
    )
    max_weight: float | None = Field(
        None, ge=0, le=10, description="largest weight of this sleeve; that of the allocation section when absent"
    )

    def bounds(self, allocation: MetaAllocation, budget: float) -> tuple[float, float]:
        """Return the smallest and the largest weight of the sleeve: its own, else the section's, else 0 and *budget*.

        No weight is above the budget, so the largest one never is.
        """
        low = allocation.min_weight if self.min_weight is None else self.min_weight
        high = allocation.max_weight if self.max_weight is None else self.max_weight
        return low, budget if high is None else min(high, budget)


class Sleeve(SleeveBounds):
    """One sleeve of a meta profile: a profile, run now or taken from an earlier run; or another meta profile."""

    model_config = ConfigDict(extra="forbid")

    profile: str | None = Field(None, pattern=NAME, description="profile that the sleeve runs")
    run_id: str | None = Field(
        None, min_length=1, description="finished run of the profile to use instead of a new one"
    )
    meta: str | None = Field(None, pattern=NAME, description="meta profile that the sleeve runs")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        named = isinstance(value, dict) and (value.get("profile") or value.get("meta"))
        return {"id": named, **value} if named else value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.profile is None) == (self.meta is None):
            raise ValueError("a sleeve names either a profile or a meta profile")
        if self.meta is not None and self.run_id is not None:
            raise ValueError("run_id belongs to a sleeve with a profile")
        if self.id == RESERVED:
            raise ValueError(f"a sleeve cannot be called {RESERVED!r}; give it an id of its own")
        return self


class MetaValidation(WalkForwardConfig):
    """When the walk-forward across sleeves begins, and what moving capital between sleeves costs."""

    min_history: int = Field(
        252, ge=60, description="sessions of the sleeves' streams before the first rebalance, itself included"
    )
