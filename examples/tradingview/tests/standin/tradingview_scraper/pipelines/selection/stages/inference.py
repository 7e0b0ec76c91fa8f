"""Inference."""

import pandas as pd

from tradingview_scraper.pipelines.selection.base import BasePipelineStage


class InferenceStage(BasePipelineStage):
    """The mean of percentile ranks."""

    name = "Inference"

    def execute(self, context):
        features = context.feature_store
        ranks = [features["momentum"].rank(pct=True), (-features["volatility"]).rank(pct=True)]
        ranks.append(features["recommend"].fillna(0.0).rank(pct=True))
        alpha = sum(ranks) / len(ranks)
        directions = {each["symbol"]: each.get("direction", "LONG") for each in context.raw_pool}
        sides = [directions[symbol] for symbol in alpha.index]
        context.inference_outputs = pd.DataFrame({"alpha_score": alpha, "direction": sides})
        return context
