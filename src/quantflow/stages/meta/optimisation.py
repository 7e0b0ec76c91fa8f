"""Optimisation: capital divided among sleeves, within the limits of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from quantflow.config.meta import MetaAllocation, SleeveBounds
from quantflow.errors import InfeasibleError
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary
from quantflow.quant.allocation import Allocation, FloatArray, allocate
from quantflow.quant.limits import Limits
from quantflow.quant.moments.estimators import Estimators


class OptimisationStageConfig(StageConfig):
    """What dividing capital among sleeves reads."""

    allocation: MetaAllocation
    budget: float
    sleeves: tuple[SleeveBounds, ...]


class OptimisationStage(BasePipelineStage[OptimisationStageConfig]):
    """Divides the budget among the sleeves by the configured method, or the first fallback that works.

    A sleeve is an asset whose returns are its out-of-sample stream, never one that its settings were fitted to. The
    budget goes to the sleeves that there are: where one is missing, the others share all of it.
    """

    id = "meta.optimisation"
    kind = Kind.COMPUTE
    needs = ("streams",)
    makes = ("sleeve_weights", "meta_allocation")
    Config = OptimisationStageConfig

    def run(self, inputs: Inputs, config: OptimisationStageConfig) -> Outputs:
        """Return ``sleeve_weights`` (index ``sleeve``, in order, summing to the budget) and ``meta_allocation``.

        Raises:
            InfeasibleError: If no weights keep the sleeves' limits, or every method fails.
        """
        import pandas as pd

        streams = inputs["streams"]
        names = [str(name) for name in streams.columns]
        found = divide(streams.to_numpy(dtype=float), limits(names, config), config.allocation)
        weights = pd.DataFrame({"weight": found.weights}, index=pd.Index(names, name="sleeve"))
        return {"sleeve_weights": weights, "meta_allocation": found.record}

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the method that was used, the largest weight, and whether a fallback had to step in."""
        weights, record = outputs["sleeve_weights"]["weight"], outputs["meta_allocation"]
        fallback = record["used"] != record["method"]
        note = f"{record['used']}{' instead of ' + record['method'] if fallback else ''}"
        held = int((weights > 0).sum())
        return Summary(len(weights), held, f"{note}, largest {weights.idxmax()} {weights.max():.1%}", fallback)


def limits(names: list[str], config: OptimisationStageConfig) -> Limits:
    """Return the limits of the sleeves *names*, in that order."""
    entries = {sleeve.id: sleeve for sleeve in config.sleeves}
    low, high = np.array([entries[name].bounds(config.allocation, config.budget) for name in names]).T
    return Limits(len(names), config.budget, low, high)


def divide(returns: FloatArray, kept: Limits, allocation: MetaAllocation) -> Allocation:
    """Return the sleeves' weights, from the last ``lookback`` sessions.

    Args:
        returns: Simple returns, finite, shape (S, K), oldest first.
        kept: Limits of the K sleeves.
        allocation: The method, and what is tried when it fails.

    Raises:
        InfeasibleError: If no weights keep the limits, or every method fails.
    """
    try:
        estimators = Estimators(allocation.covariance, allocation.mean)
        return allocate(returns[-allocation.lookback :].T, kept, allocation.chain, estimators)
    except InfeasibleError as error:
        if "because" not in error.context:
            raise
        hint = "Change the limits in the meta profile's allocation section or on its sleeves, or fix a missing sleeve."
        context: dict[str, Any] = error.context
        raise InfeasibleError(error.message, hint=hint, **context) from error
