"""Their five stages as quantflow's: what each takes, gives and reads; nothing of them is rewritten."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from quantflow import ForeignStage, Kind, Section, StageConfig
from quantflow_tradingview import theirs
from quantflow_tradingview.contracts import as_clusters, as_decisions, as_scores, as_winners, symbols_of
from quantflow_tradingview.ratings import COLUMN, with_ratings


class Context(theirs.SelectionContext):
    """Their context, with a field for the ratings that were known at the as-of."""

    ratings: pd.DataFrame | None = None


class TradingViewStage(ForeignStage):
    """What the five have in common: a context, and settings that are read from where nobody hands them on."""

    context = Context
    reads_env = theirs.VARIABLES
    reads_files = (theirs.settings_files,)

    def run(self, inputs: Any, config: Any) -> Any:
        """Run their stage under the settings of now."""
        theirs.fresh_settings()
        return super().run(inputs, config)


class IngestionArguments(Section):
    """Arguments of their ingestion."""

    min_turnover: float = Field(0.0, ge=0, description="least traded value per session of a candidate, in currency")


class IngestionConfig(StageConfig):
    """What ingestion reads."""

    tv_ingestion: IngestionArguments


class IngestionStage(TradingViewStage):
    """Reads the candidates; their ratings are those that were known at the as-of, not those in the file."""

    id = "tv_ingestion"
    kind = Kind.COMPUTE
    foreign = theirs.IngestionStage
    arguments = "tv_ingestion"
    takes: ClassVar[dict[str, str]] = {"ratings": "tables.ratings"}
    columns: ClassVar[dict[str, tuple[str, ...]]] = {"ratings": (COLUMN,)}
    gives: ClassVar[dict[str, str]] = {"raw_pool": "candidates"}
    reads_files = (theirs.settings_files, theirs.candidates_file)
    Config = IngestionConfig

    def run(self, inputs: Any, config: Any) -> Any:
        """Return ``candidates``: a record of them, with the ratings of the as-of."""
        made = super().run(inputs, config)
        return {"candidates": {"value": with_ratings(made["candidates"]["value"], inputs["tables"])}}


class FeatureArguments(Section):
    """Arguments of their features."""

    momentum_window: int = Field(63, ge=2, description="sessions of momentum")


class FeatureConfig(StageConfig):
    """What features read."""

    tv_features: FeatureArguments


class FeatureStage(TradingViewStage):
    """Describes each candidate with enough returns."""

    id = "features"
    kind = Kind.COMPUTE
    foreign = theirs.FeatureEngineeringStage
    arguments = "tv_features"
    takes: ClassVar[dict[str, str]] = {"returns_df": "prices.returns", "raw_pool": "candidates"}
    gives: ClassVar[dict[str, str]] = {"feature_store": "features"}
    Config = FeatureConfig

    def run(self, inputs: Any, config: Any) -> Any:
        """Return ``features``: index ``symbol``, sorted; numbers alone."""
        made = super().run(inputs, config)["features"]
        return {"features": made.select_dtypes("number").astype(float).rename_axis("symbol").sort_index()}


class InferenceStage(TradingViewStage):
    """Scores the candidates."""

    id = "inference"
    kind = Kind.COMPUTE
    foreign = theirs.InferenceStage
    takes: ClassVar[dict[str, str]] = {"raw_pool": "candidates", "feature_store": "features"}
    gives: ClassVar[dict[str, str]] = {"inference_outputs": "scores"}

    def run(self, inputs: Any, config: Any) -> Any:
        """Return ``scores`` as the built-in stage has them."""
        return {"scores": as_scores(super().run(inputs, config)["scores"])}


class ClusterArguments(Section):
    """Arguments of their clustering."""

    max_clusters: int = Field(4, ge=1, description="most clusters")


class ClusterConfig(StageConfig):
    """What clustering reads."""

    tv_clustering: ClusterArguments


class ClusteringStage(TradingViewStage):
    """Groups the candidates by their returns."""

    id = "clustering"
    kind = Kind.COMPUTE
    foreign = theirs.ClusteringStage
    arguments = "tv_clustering"
    takes: ClassVar[dict[str, str]] = {"returns_df": "prices.returns", "feature_store": "features"}
    gives: ClassVar[dict[str, str]] = {"clusters": "tv_clusters"}
    makes = ("clusters",)
    Config = ClusterConfig

    def run(self, inputs: Any, config: Any) -> Any:
        """Return ``tv_clusters`` (theirs) and ``clusters`` as the built-in stage has them."""
        made = super().run(inputs, config)
        return {**made, "clusters": as_clusters(made["tv_clusters"])}


class PolicyStage(TradingViewStage):
    """Selects winners; how many, their settings say."""

    id = "policy"
    kind = Kind.COMPUTE
    foreign = theirs.SelectionPolicyStage
    takes: ClassVar[dict[str, str]] = {
        "raw_pool": "candidates",
        "inference_outputs": "scores",
        "clusters": "tv_clusters",
    }
    gives: ClassVar[dict[str, str]] = {"winners": "tv_winners"}
    needs = ("features", "instruments")
    makes = ("winners", "decisions")

    def run(self, inputs: Any, config: Any) -> Any:
        """Return ``tv_winners`` (theirs), ``winners`` and ``decisions`` as the built-in stage has them."""
        made = super().run(inputs, config)
        chosen = symbols_of(made["tv_winners"])
        winners = as_winners(chosen, inputs["scores"], inputs["tv_clusters"], inputs["instruments"])
        return {**made, "winners": winners, "decisions": as_decisions(winners, inputs["features"], inputs["scores"])}
