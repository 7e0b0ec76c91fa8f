"""Features: from the price panel to twelve numbers per symbol."""

from __future__ import annotations

from copy import copy

from quantflow.config.calendar import CalendarConfig
from quantflow.config.sections import FeaturesConfig
from quantflow.data.tables import TABLES, latest
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, Stage, StageConfig, Summary
from quantflow.stages.symbols import by_symbol
from quantflow.types import Settings


class FeaturesStageConfig(StageConfig):
    """What the features depend on besides the prices."""

    features: FeaturesConfig
    calendar: CalendarConfig


class FeaturesStage(BasePipelineStage[FeaturesStageConfig]):
    """Describe every symbol of the panel as of its last session; a feature is NaN only where it is undefined.

    The columns are those of ``quantflow.quant.features.FEATURES``, whose module says what each one means; then, where
    the profile has dated tables, their columns as ``table.column``: the last value known at that session.
    """

    id = "features"
    kind = Kind.COMPUTE
    needs: tuple[str, ...] = ("prices",)
    makes = ("features",)
    Config = FeaturesStageConfig

    def run(self, inputs: Inputs, config: FeaturesStageConfig) -> Outputs:
        """Return ``features``: one row per symbol, in the panel's order, one float64 column per feature."""
        import pandas as pd

        from quantflow.quant.features import FeatureWindows, compute

        prices = inputs["prices"]
        windows = FeatureWindows(**config.features.model_dump())
        values = compute(prices.fields, windows, config.calendar.annualisation)
        if TABLES in inputs:
            values |= latest(inputs[TABLES], prices.symbols, prices.last_session)
        return {"features": pd.DataFrame(values, index=by_symbol(prices.symbols))}

    def under(self, settings: Settings) -> Stage:
        """Return the stage that has the profile's dated tables too, where there are any."""
        if not settings.get(TABLES):
            return self
        wider = copy(self)
        wider.needs = (*self.needs, TABLES)
        return wider

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
