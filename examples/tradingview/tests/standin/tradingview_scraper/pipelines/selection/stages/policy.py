"""Policy."""

from tradingview_scraper.pipelines.selection.base import BasePipelineStage, Winner
from tradingview_scraper.settings import get_settings


class SelectionPolicyStage(BasePipelineStage):
    """The best of each cluster; as many as the settings say."""

    name = "SelectionPolicy"

    def execute(self, context):
        scores = context.inference_outputs
        for number, names in context.clusters.items():
            ranked = scores.loc[[name for name in names if name in scores.index]].sort_values("alpha_score")
            for symbol, row in ranked.iloc[::-1].head(get_settings().top_n).iterrows():
                reasons = [f"cluster {number}"]
                context.winners.append(
                    Winner(
                        symbol=symbol,
                        direction=row["direction"],
                        score=row["alpha_score"],
                        cluster=number,
                        reasons=reasons,
                    )
                )
        context.log(self.name, f"{len(context.winners)} winners")
        return context
