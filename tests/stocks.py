"""The sample's twenty stocks as a panel, for tests of stages that walk forward."""

from __future__ import annotations

import numpy as np
import pandas as pd

from quantflow.config.profile import Profile
from quantflow.data.panel import Panel
from quantflow.data.providers import open_provider


def twenty_stocks(sessions: int) -> tuple[Panel, pd.DataFrame]:
    """Closes of twenty stocks over the last sessions of the sample, and their instruments; the fourth ends at 500."""
    profile = Profile(name="test")
    provider = open_provider(profile.data)
    instruments = provider.instruments(profile.universe)
    bars = provider.bars(tuple(instruments.index), None, provider.last_date())
    table = bars.pivot(index="date", columns="symbol", values="close").iloc[-sessions:]
    close = np.ascontiguousarray(table.to_numpy().T)
    close[3, 500:] = np.nan
    return Panel(tuple(table.columns), table.index.to_numpy().astype("datetime64[D]"), {"close": close}), instruments
