"""Profiles: one sleeve's settings, and a portfolio of sleeves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from quantflow.config.calendar import CalendarConfig
from quantflow.config.data import DataConfig, TablesConfig
from quantflow.config.meta import MetaAllocation, MetaValidation, Sleeve
from quantflow.config.operation import (
    ExecutionConfig,
    NotifyConfig,
    OrdersConfig,
    PipelineConfig,
    PublishConfig,
    ReportConfig,
    ScheduleConfig,
    SignalsConfig,
    ValidationConfig,
)
from quantflow.config.sections import (
    NAME,
    AllocationConfig,
    ClustersConfig,
    FeaturesConfig,
    PolicyConfig,
    RebalanceConfig,
    ScoresConfig,
    Section,
    SynthesisConfig,
    UniverseConfig,
)
from quantflow.config.source import Source
from quantflow.errors import unknown_name


class Profile(Section):
    """One sleeve's settings: a section per concern.

    Attributes:
        sources: Where each value came from, by ``"section.key"``; no part of the settings.
    """

    name: str = Field(pattern=NAME, description="the profile's name")
    universe: UniverseConfig = Field(default_factory=UniverseConfig)
    calendar: CalendarConfig = Field(default_factory=CalendarConfig)
    data: DataConfig = Field(default_factory=DataConfig)
    tables: TablesConfig = Field(default_factory=TablesConfig)
    features: FeaturesConfig = Field(default_factory=FeaturesConfig)
    scores: ScoresConfig = Field(default_factory=ScoresConfig)
    clusters: ClustersConfig = Field(default_factory=ClustersConfig)
    policy: PolicyConfig = Field(default_factory=PolicyConfig)
    synthesis: SynthesisConfig = Field(default_factory=SynthesisConfig)
    allocation: AllocationConfig = Field(default_factory=AllocationConfig)
    rebalance: RebalanceConfig = Field(default_factory=RebalanceConfig)
    validation: ValidationConfig = Field(default_factory=ValidationConfig)
    signals: SignalsConfig = Field(default_factory=SignalsConfig)
    report: ReportConfig = Field(default_factory=ReportConfig)
    publish: PublishConfig = Field(default_factory=PublishConfig)
    orders: OrdersConfig = Field(default_factory=OrdersConfig)
    schedule: ScheduleConfig = Field(default_factory=ScheduleConfig)
    notify: NotifyConfig = Field(default_factory=NotifyConfig)
    pipeline: PipelineConfig = Field(default_factory=PipelineConfig)
    execution: ExecutionConfig = Field(default_factory=ExecutionConfig)
    sources: Mapping[str, Source] = Field(default_factory=dict, exclude=True, repr=False)

    @model_validator(mode="after")
    def _has_the_tables(self) -> Self:
        for name in self.scores.tables:
            if name not in self.tables.by_name:
                error = unknown_name("table", name, self.tables.by_name)
                raise ValueError(f"scores names a column of it: {error.message} {error.hint}")
        return self

    def settings(self) -> dict[str, Any]:
        """Return what a run depends on: the sections by name, as JSON values."""
        return self.model_dump(mode="json", exclude={"name", "schedule", "notify"})


SECTIONS: tuple[str, ...] = tuple(name for name in Profile.model_fields if name not in ("name", "sources"))
"""The sections of a profile, in order."""


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
    budget: float = Field(1.0, gt=0, le=10, description="capital given to the sleeves together; 1 is all there is")
    calendar: CalendarConfig = Field(
        default_factory=CalendarConfig,
        description="sessions of the portfolio; when not given, that of the sleeve with the fewest a year",
    )
    rebalance: RebalanceConfig = Field(default_factory=RebalanceConfig)
    validation: MetaValidation = Field(default_factory=MetaValidation)
    report: ReportConfig = Field(default_factory=ReportConfig)
    publish: PublishConfig = Field(default_factory=PublishConfig)
    orders: OrdersConfig = Field(default_factory=OrdersConfig)
    schedule: ScheduleConfig = Field(default_factory=ScheduleConfig)
    notify: NotifyConfig = Field(default_factory=NotifyConfig)
    execution: ExecutionConfig = Field(default_factory=ExecutionConfig)
    resolved: Mapping[str, Profile | MetaProfile] = Field(default_factory=dict, exclude=True, repr=False)
    sources: Mapping[str, Source] = Field(default_factory=dict, exclude=True, repr=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [sleeve.id for sleeve in self.sleeves]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"two sleeves are called {twice[0]!r}; give one an id of its own")
        if self.min_sleeves > len(ids):
            raise ValueError(f"min_sleeves is {self.min_sleeves}, and there are {len(ids)} sleeves")
        if self.allow_partial and self.renormalise is None:
            raise ValueError('allow_partial needs renormalise = "proportional"')
        self._check_bounds()
        return self

    def _check_bounds(self) -> None:
        bounds = [sleeve.bounds(self.allocation, self.budget) for sleeve in self.sleeves]
        for sleeve, (low, high) in zip(self.sleeves, bounds, strict=True):
            if low > high:
                raise ValueError(f"sleeve {sleeve.id!r}: min_weight {low:g} is above max_weight {high:g}")
        least, most = sum(low for low, _ in bounds), sum(high for _, high in bounds)
        if least > self.budget * (1 + 1e-9):
            raise ValueError(f"the sleeves' min_weight sum to {least:g}, above the budget {self.budget:g}")
        if most < self.budget * (1 - 1e-9):
            raise ValueError(f"the sleeves' max_weight sum to {most:g}, below the budget {self.budget:g}")

    @property
    def has_plug_ins(self) -> bool:
        """Whether a sleeve, of a nested meta profile too, takes up stages of other packages."""
        return any(
            sleeve.has_plug_ins if isinstance(sleeve, MetaProfile) else bool(sleeve.pipeline.stages)
            for sleeve in self.resolved.values()
        )

    def settings(self) -> dict[str, Any]:
        """Return the meta profile's own settings that a run depends on, as JSON values."""
        return self.model_dump(mode="json", exclude={"name", "schedule", "notify"})
