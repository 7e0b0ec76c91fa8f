"""Features."""

import pandas as pd

from tradingview_scraper.pipelines.selection.base import BasePipelineStage
from tradingview_scraper.settings import get_settings


class FeatureEngineeringStage(BasePipelineStage):
    """Momentum, volatility and rating of each candidate."""

    name = "FeatureEngineering"

    def __init__(self, momentum_window):
        self.momentum_window = momentum_window

    def execute(self, context):
        pool = {each["symbol"]: each for each in context.raw_pool}
        known = context.returns_df[[symbol for symbol in context.returns_df if symbol in pool]]
        recent = known.tail(get_settings().feature_lookback)
        grown = (1.0 + known.tail(self.momentum_window).fillna(0.0)).prod() - 1.0
        ratings = pd.Series({symbol: pool[symbol].get("Recommend.All") for symbol in known}, dtype=float)
        context.feature_store = pd.DataFrame(
            {"momentum": grown, "volatility": recent.std() * 252**0.5, "recommend": ratings}
        )
        context.log(self.name, f"{len(context.feature_store)} described")
        return context
