"""A stage of another framework: it knows nothing of quantflow, and its context holds DataFrames."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict


class ResearchContext(BaseModel):
    """What the other framework passes from stage to stage."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    closes: pd.DataFrame
    params: dict[str, Any] = {}
    dispersion: pd.DataFrame | None = None
    notes: dict[str, Any] | None = None


class DispersionMonitor:
    """How far apart returns are on each session."""

    def execute(self, context: ResearchContext) -> ResearchContext:
        """Fill ``dispersion`` and ``notes``, and return the context."""
        window = int(context.params.get("window", 21))
        context.closes.ffill(inplace=True)  # it changes what it is given: a copy
        spread = context.closes.pct_change().std(axis=1)
        context.dispersion = pd.DataFrame({"spread": spread, "average": spread.rolling(window).mean()})
        context.notes = {"window": window, "latest": float(context.dispersion["average"].iloc[-1])}
        return context
