"""Profiles: one sleeve's settings, and a portfolio of sleeves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from quantflow.config.allocation import AllocationConfig
from quantflow.config.base import Section
from quantflow.config.calendar import CalendarConfig
from quantflow.config.clusters import ClustersConfig
from quantflow.config.data import DataConfig
from quantflow.config.execution import ExecutionConfig
from quantflow.config.features import FeaturesConfig
from quantflow.config.policy import PolicyConfig
from quantflow.config.report import ReportConfig
from quantflow.config.scores import ScoresConfig
from quantflow.config.synthesis import SynthesisConfig
from quantflow.config.universe import UniverseConfig
from quantflow.config.validation import ValidationConfig

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""What profiles, meta profiles and sleeves may be called: safe as a file name on every system."""

MetaMethod = Literal["equal_weight", "risk_parity", "hrp", "min_variance", "max_sharpe"]


class Profile(Section):
    """One sleeve's settings: a section per concern.

    Attributes:
        sources: Where each value came from, by ``"section.key"``; no part of the settings.
    """

    name: str = Field(pattern=NAME, description="the profile's name")
    universe: UniverseConfig = Field(default_factory=UniverseConfig)
    calendar: CalendarConfig = Field(default_factory=CalendarConfig)
    data: DataConfig = Field(default_factory=DataConfig)
    features: FeaturesConfig = Field(default_factory=FeaturesConfig)
    scores: ScoresConfig = Field(default_factory=ScoresConfig)
    clusters: ClustersConfig = Field(default_factory=ClustersConfig)
    policy: PolicyConfig = Field(default_factory=PolicyConfig)
    synthesis: SynthesisConfig = Field(default_factory=SynthesisConfig)
    allocation: AllocationConfig = Field(default_factory=AllocationConfig)
    validation: ValidationConfig = Field(default_factory=ValidationConfig)
    report: ReportConfig = Field(default_factory=ReportConfig)
    execution: ExecutionConfig = Field(default_factory=ExecutionConfig)
    sources: Mapping[str, str] = Field(default_factory=dict, exclude=True, repr=False)

    def settings(self) -> dict[str, Any]:
        """Return the sections by name, as JSON values."""
        return self.model_dump(mode="json", exclude={"name"})


SECTIONS: tuple[str, ...] = tuple(name for name in Profile.model_fields if name not in ("name", "sources"))
"""The sections of a profile, in order."""


class Sleeve(Section):
    """One sleeve of a meta profile: a profile, run now or taken from an earlier run; or another meta profile."""

    id: str = Field("", pattern=NAME, description="the sleeve's name in the portfolio; the profile's when absent")
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
        return self


class MetaAllocation(Section):
    """How capital is divided among sleeves; weights are fractions of capital."""

    method: MetaMethod = Field("risk_parity", description="how capital is divided")
    min_weight: float = Field(0.0, ge=0, le=1, description="smallest weight of a sleeve")
    max_weight: float = Field(1.0, gt=0, le=1, description="largest weight of a sleeve")
    lookback: int = Field(504, ge=20, description="sessions of out-of-sample returns that the method sees")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_weight > self.max_weight:
            raise ValueError(f"min_weight {self.min_weight:g} is above max_weight {self.max_weight:g}")
        return self


class MetaProfile(Section):
    """A portfolio of sleeves.

    Attributes:
        resolved: The settings of each sleeve by its id; no part of the settings.
        sources: Where each value came from, by key; no part of the settings.
    """

    name: str = Field(pattern=NAME, description="the meta profile's name")
    sleeves: tuple[Sleeve, ...] = Field(min_length=1, description="the sleeves, in order")
    allocation: MetaAllocation = Field(default_factory=MetaAllocation)
    allow_partial: bool = Field(False, description="go on when a sleeve fails")
    min_sleeves: int = Field(1, ge=1, description="sleeves that must have succeeded")
    renormalise: Literal["proportional"] | None = Field(
        None, description="what becomes of a failed sleeve's capital; needed with allow_partial"
    )
    budget: float = Field(1.0, gt=0, le=10, description="capital given to the sleeves together")
    resolved: Mapping[str, Profile | MetaProfile] = Field(default_factory=dict, exclude=True, repr=False)
    sources: Mapping[str, str] = Field(default_factory=dict, exclude=True, repr=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [sleeve.id for sleeve in self.sleeves]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"two sleeves are called {twice[0]!r}; give one an id of its own")
        if self.min_sleeves > len(ids):
            raise ValueError(f"min_sleeves is {self.min_sleeves}, and there are {len(ids)} sleeves")
        if self.allow_partial and self.renormalise is None:
            raise ValueError('allow_partial needs renormalise = "proportional"')
        return self

    def settings(self) -> dict[str, Any]:
        """Return the meta profile's own settings, as JSON values."""
        return self.model_dump(mode="json", exclude={"name"})
