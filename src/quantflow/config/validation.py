"""How the walk-forward is run and what trading costs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from quantflow.config.base import Section

Rebalance = Literal["weekly", "monthly", "quarterly"]


class ValidationConfig(Section):
    """When the walk-forward rebalances, and what a trade costs."""

    rebalance: Rebalance = Field("monthly", description="trades at the close of the last session of each period")
    min_history: int = Field(756, ge=60, description="sessions that come before the first rebalance, itself included")
    commission_bps: float = Field(1.0, ge=0, le=1000, description="commission in basis points of the amount traded")
    slippage_bps: float = Field(
        5.0, ge=0, le=1000, description="half spread and impact in basis points of the amount traded"
    )
