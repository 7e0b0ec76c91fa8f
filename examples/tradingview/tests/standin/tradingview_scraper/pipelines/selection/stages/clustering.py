"""Clustering."""

from tradingview_scraper.pipelines.selection.base import BasePipelineStage


class ClusteringStage(BasePipelineStage):
    """Groups of names that follow the same one most."""

    name = "Clustering"

    def __init__(self, *, max_clusters=4):
        self.max_clusters = max_clusters

    def execute(self, context):
        names = sorted(context.feature_store.index)
        leaders = names[: self.max_clusters]
        close = context.returns_df[names].tail(126).corr().fillna(0.0)
        groups = {number: [] for number in range(1, len(leaders) + 1)}
        for name in names:
            best = max(leaders, key=lambda leader: (name == leader, close.loc[name, leader]))
            groups[leaders.index(best) + 1].append(name)
        context.clusters = groups
        return context
