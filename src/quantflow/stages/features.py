"""Features: from the price panel to twelve numbers per symbol."""

from __future__ import annotations

from quantflow.config.calendar import CalendarConfig
from quantflow.config.sections import FeaturesConfig
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary


class FeaturesStageConfig(StageConfig):
    """What the features depend on besides the prices."""

    features: FeaturesConfig
    calendar: CalendarConfig


class FeaturesStage(BasePipelineStage[FeaturesStageConfig]):
    """Describe every symbol of the panel as of its last session; a feature is NaN only where it is undefined.

    The columns are those of ``quantflow.quant.features.FEATURES``, whose module says what each one means.
    """

    id = "features"
    kind = Kind.COMPUTE
    needs = ("prices",)
    makes = ("features",)
    Config = FeaturesStageConfig

    def run(self, inputs: Inputs, config: FeaturesStageConfig) -> Outputs:
        """Return ``features``: one row per symbol, in the panel's order, one float64 column per feature."""
        import pandas as pd

        from quantflow.quant.features import FeatureWindows, compute

        prices = inputs["prices"]
        windows = FeatureWindows(**config.features.model_dump())
        values = compute(prices.fields, windows, config.calendar.annualisation)
        return {"features": pd.DataFrame(values, index=pd.Index(prices.symbols, name="symbol"))}

    def reach(self, config: FeaturesStageConfig) -> int:
        """Return the longest of the windows."""
        from quantflow.quant.features import FeatureWindows

        return FeatureWindows(**config.features.model_dump()).sessions

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return how many symbols were described, and which features are missing for some."""
        features = outputs["features"]
        missing = {name: int(count) for name, count in features.isna().sum().items() if count}
        note = ", ".join(f"{name} {count}" for name, count in missing.items())
        return Summary(len(inputs["prices"].symbols), len(features), f"undefined: {note}" if note else "")
