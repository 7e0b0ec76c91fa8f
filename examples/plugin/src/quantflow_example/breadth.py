"""A stage that joins the pipeline: it makes an artifact that was not there before."""

from __future__ import annotations

import pandas as pd
from pydantic import Field

from quantflow import BasePipelineStage, Kind, Section, StageConfig, Summary
from quantflow_example.trend import share_above_average


class BreadthConfig(Section):
    """How market breadth is measured."""

    window: int = Field(200, ge=5, description="sessions of the average that closes are compared with")


class BreadthStageConfig(StageConfig):
    """What the stage reads: the field's name is the section's, ``[profiles.NAME.breadth]``."""

    breadth: BreadthConfig


class BreadthStage(BasePipelineStage[BreadthStageConfig]):
    """Measures market breadth: the share of symbols above their moving average, on each session."""

    id = "breadth"
    kind = Kind.COMPUTE
    needs = ("prices",)
    makes = ("breadth",)
    Config = BreadthStageConfig

    def run(self, inputs, config):
        """Return ``breadth``: a row per session, one column; NaN until a window is full."""
        prices = inputs["prices"]
        share = share_above_average(prices.close, config.breadth.window)
        return {"breadth": pd.DataFrame({"breadth": share}, index=pd.DatetimeIndex(prices.sessions, name="date"))}

    def summary(self, inputs, outputs):
        """Return the latest breadth."""
        return Summary(note=f"{outputs['breadth']['breadth'].iloc[-1]:.0%} above their average")
