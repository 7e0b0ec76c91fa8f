"""The context, and what a stage is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field


class Winner(BaseModel):
    """A candidate that was selected."""

    symbol: str
    direction: str
    score: float
    cluster: int
    reasons: list[str] = Field(default_factory=list)
    note: str | None = None


class SelectionContext(BaseModel):
    """What stages hand to each other."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    run_id: str
    profile: str
    as_of: date | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    raw_pool: list[dict[str, Any]] = Field(default_factory=list)
    returns_df: pd.DataFrame = Field(default_factory=pd.DataFrame)
    feature_store: pd.DataFrame = Field(default_factory=pd.DataFrame)
    inference_outputs: pd.DataFrame = Field(default_factory=pd.DataFrame)
    clusters: dict[int, list[str]] = Field(default_factory=dict)
    winners: list[Winner] = Field(default_factory=list)
    audit_trail: list[dict[str, Any]] = Field(default_factory=list)

    def log(self, stage: str, event: str) -> None:
        """Remember that something happened."""
        self.audit_trail.append({"run": self.run_id, "stage": stage, "event": event})


class BasePipelineStage(ABC):
    """A stage."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called."""

    @abstractmethod
    def execute(self, context: SelectionContext) -> SelectionContext:
        """Do it."""
