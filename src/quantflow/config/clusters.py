"""The ``clusters`` section: how symbols that move together are grouped."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from quantflow.config.base import Section


class ClustersConfig(Section):
    """How symbols that move together are grouped."""

    lookbacks: tuple[Annotated[int, Field(ge=20, le=5_000)], ...] = Field(
        (63, 126, 252),
        description="Windows over which correlations are taken, sessions; their distances are averaged.",
        min_length=1,
    )
    shrinkage: Literal["auto"] | Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        "auto",
        description="Share of each correlation that is replaced by 0; auto estimates it from the noise in each window.",
    )
    distance_threshold: float = Field(
        0.65,
        description="Ward height above which two groups stay apart; the distance of two symbols is 0 to 1.",
        gt=0.0,
    )
    max_clusters: int = Field(
        25, description="The most clusters that the tree is cut into, whatever the threshold.", ge=1
    )
    min_observations: int = Field(
        40,
        description="Returns that two symbols must share in a window, sessions; a symbol with fewer in the "
        "longest window is a cluster of its own.",
        ge=10,
    )

    @model_validator(mode="after")
    def _windows_can_be_filled(self) -> ClustersConfig:
        if self.min_observations > min(self.lookbacks):
            raise ValueError(
                f"min_observations is {self.min_observations}, more than the shortest lookback, {min(self.lookbacks)}."
            )
        return self
