"""The other framework's stage as one of quantflow's: a declaration, and nothing rewritten."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from quantflow import ForeignStage, Kind, Section, StageConfig
from quantflow_example.legacy import DispersionMonitor, ResearchContext


class DispersionParams(Section):
    """The settings of the other framework's stage."""

    window: int = Field(21, ge=2, description="sessions in the average")


class DispersionConfig(StageConfig):
    """The section is called like the context's field that it fills."""

    params: DispersionParams


class DispersionStage(ForeignStage):
    """Measures how far apart the symbols' returns are on each session."""

    id = "dispersion"
    kind = Kind.COMPUTE
    foreign = DispersionMonitor
    context = ResearchContext
    takes: ClassVar[dict[str, str]] = {"closes": "prices"}
    gives: ClassVar[dict[str, str]] = {"dispersion": "dispersion", "notes": "dispersion_notes"}
    Config = DispersionConfig
