"""How capital is divided among the atoms, and within which limits."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from quantflow.config.base import Section

Method = Literal["equal_weight", "inverse_volatility", "min_variance", "max_sharpe", "risk_parity", "hrp"]


class AllocationConfig(Section):
    """The method, what to try when it fails, and the limits that every portfolio keeps.

    All weights are fractions of capital and refer to |weight|; a limit that is absent does not limit.
    """

    method: Method = Field("hrp", description="how capital is divided")
    fallbacks: tuple[Method, ...] = Field(
        ("hrp", "inverse_volatility", "equal_weight"),
        description="methods tried in this order when the one before fails; the method itself is not tried twice",
    )
    lookback: int = Field(504, ge=60, description="sessions of returns, up to the last one, that the method sees")
    budget: float = Field(1.0, gt=0, le=10, description="gross exposure: the sum of |weight|")
    max_weight: float | None = Field(None, gt=0, le=10, description="largest |weight| of one name")
    min_weight: float = Field(0.0, ge=0, le=10, description="smallest |weight| of every name selected")
    max_cluster_weight: float | None = Field(None, gt=0, le=10, description="largest sum of |weight| in one cluster")
    max_sector_weight: float | None = Field(
        None,
        gt=0,
        le=10,
        description="largest sum of |weight| in one sector; names without a sector count as one sector",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_weight is not None and self.min_weight > self.max_weight:
            raise ValueError(f"min_weight {self.min_weight:g} is above max_weight {self.max_weight:g}")
        return self

    @property
    def chain(self) -> tuple[Method, ...]:
        """The methods in the order in which they are tried, each once."""
        return tuple(dict.fromkeys((self.method, *self.fallbacks)))
