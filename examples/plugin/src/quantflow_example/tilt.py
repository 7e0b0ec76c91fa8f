"""A stage that replaces a built-in one: it has its id, and makes what it makes."""

from __future__ import annotations

from quantflow.config.sections import PolicyConfig
from quantflow.stages.inference import InferenceStage, InferenceStageConfig
from quantflow_example.breadth import BreadthConfig

LEAST = 0.05


class BreadthInferenceConfig(InferenceStageConfig):
    """What the built-in stage reads, and the section of the breadth stage."""

    policy: PolicyConfig
    breadth: BreadthConfig


class BreadthInferenceStage(InferenceStage):
    """Scores as the built-in stage does, but counts momentum the less the narrower the market is."""

    needs = ("features", "breadth")
    Config = BreadthInferenceConfig

    def run(self, inputs, config):
        """Return ``scores``, with the weight of momentum times the latest breadth."""
        breadth = inputs["breadth"]["breadth"].iloc[-1]
        weights = dict(config.scores.weights)
        if "momentum" in weights and breadth == breadth:
            weights["momentum"] *= max(LEAST, float(breadth))
        scores = config.scores.model_copy(update={"weights": weights})
        return super().run({"features": inputs["features"]}, config.model_copy(update={"scores": scores}))
