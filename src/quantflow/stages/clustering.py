"""Clustering: groups of symbols that move together."""

from __future__ import annotations

from quantflow.config.sections import ClustersConfig
from quantflow.execution.memory import require_memory
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary
from quantflow.quant.clusters import cluster
from quantflow.quant.grouping.correlations import bytes_needed
from quantflow.stages.symbols import by_symbol


class ClusteringStageConfig(StageConfig):
    """What the clustering stage reads."""

    clusters: ClustersConfig


class ClusteringStage(BasePipelineStage[ClusteringStageConfig]):
    """Group symbols by the correlation of their returns over several windows.

    A symbol with too few or constant returns in the longest window is a cluster of its own, after all others.
    """

    id = "clustering"
    kind = Kind.COMPUTE
    needs = ("prices",)
    makes = ("clusters",)
    Config = ClusteringStageConfig

    def run(self, inputs: Inputs, config: ClusteringStageConfig) -> Outputs:
        """Return ``clusters``: the cluster and leaf position of every symbol of ``prices``.

        Raises:
            InfrastructureError: If there is too little memory, which grows with the square of the number of symbols.
        """
        import pandas as pd

        chosen, prices = config.clusters, inputs["prices"]
        count = len(prices.symbols)
        require_memory(bytes_needed(count), f"Comparing {count:,} symbols with one another")
        stop = len(prices.sessions)
        recent = prices.window(max(0, stop - max(chosen.lookbacks) - 1), stop)
        labels, order = cluster(
            recent.returns()[:, 1:],
            chosen.lookbacks,
            chosen.min_observations,
            None if chosen.shrinkage == "auto" else chosen.shrinkage,
            chosen.distance_threshold,
            chosen.max_clusters,
        )
        index = by_symbol(prices.symbols)
        return {"clusters": pd.DataFrame({"cluster": labels, "order": order}, index=index)}

    def reach(self, config: ClusteringStageConfig) -> int:
        """Return the longest lookback, and the session before it."""
        return max(config.clusters.lookbacks) + 1

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the number of clusters."""
        found = outputs["clusters"]
        count = int(found["cluster"].nunique())
        note = f"{count} cluster{'' if count == 1 else 's'}"
        return Summary(entered=len(inputs["prices"].symbols), left=len(found), note=note)
