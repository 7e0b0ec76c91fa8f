"""How far back the features look."""

from __future__ import annotations

from pydantic import Field, model_validator

from quantflow.config.base import Section


class FeaturesConfig(Section):
    """The windows of the features, in sessions."""

    lookback: int = Field(
        504,
        ge=128,
        le=5040,
        description="sessions over which returns, ranges and traded values are measured",
    )
    momentum_long: int = Field(
        252, ge=2, le=2520, description="age of the close that momentum starts from, in sessions"
    )
    momentum_skip: int = Field(
        21, ge=0, le=2519, description="age of the close that momentum ends at, in sessions; 0 = the last close"
    )
    trend_window: int = Field(
        200, ge=2, le=2520, description="sessions of the average close that the trend is measured against"
    )

    @model_validator(mode="after")
    def _momentum_spans_time(self) -> FeaturesConfig:
        if self.momentum_skip >= self.momentum_long:
            raise ValueError(f"momentum_skip ({self.momentum_skip}) must be below momentum_long ({self.momentum_long})")
        return self
