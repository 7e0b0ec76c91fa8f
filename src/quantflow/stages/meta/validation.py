"""Validation across sleeves: what dividing capital this way would have earned, walked forward, after costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.meta import MetaValidation
from quantflow.config.sections import CalendarConfig, RebalanceConfig
from quantflow.data.quotes import Quotes
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, Summary
from quantflow.quant.backtest import FloatArray
from quantflow.quant.metrics import summarise
from quantflow.stages.meta.optimisation import OptimisationStageConfig, divide, limits
from quantflow.stages.walk_forward import Decide, Market, Portfolio, Rules, proof, schedule, summarised, walk

if TYPE_CHECKING:
    import pandas as pd


class MetaValidationStageConfig(OptimisationStageConfig):
    """What the walk-forward across sleeves reads: what optimisation reads, its own section, and the calendar."""

    rebalance: RebalanceConfig
    validation: MetaValidation
    calendar: CalendarConfig


class MetaValidationStage(BasePipelineStage[MetaValidationStageConfig]):
    """Divides capital again at each rebalance, on the sleeves' streams up to that session only.

    Capital is moved at the close ``rebalance.lag`` sessions after the one that decides, earns from the session after
    that on, and drifts until it is moved again. The streams are net of what each sleeve paid to trade; moving capital
    between sleeves costs commission and slippage on top. Where no division is feasible the one before is kept (cash at
    first) and the date recorded.

    ``equal_weight`` is the benchmark: the budget in equal parts in all sleeves, moved on the same sessions and
    at the same cost.
    """

    id = "meta.validation"
    kind = Kind.COMPUTE
    needs = ("streams",)
    makes = ("oos_returns", "oos_weights", "metrics")
    Config = MetaValidationStageConfig

    def run(self, inputs: Inputs, config: MetaValidationStageConfig) -> Outputs:
        """Return ``oos_returns``, ``oos_weights`` (``symbol`` is the sleeve) and ``metrics``.

        ``metrics`` has, beside the figures of the strategy and the benchmark, those of each sleeve over the same
        sessions (``sleeves``).

        Raises:
            DataError: If the streams are too short for a single rebalance.
        """
        frame: pd.DataFrame = inputs["streams"]
        sessions, returns = frame.index.to_numpy().astype("datetime64[D]"), frame.to_numpy(dtype=float)
        year = config.calendar.annualisation
        rules = Rules(config.rebalance, config.validation, year)
        scheduled = schedule(sessions, rules, "sleeves' streams")
        equal = np.full((len(scheduled), frame.shape[1]), config.budget / frame.shape[1])
        names = [str(name) for name in frame.columns]
        market = Market(Quotes(tuple(names), sessions, returns.T, np.ones(returns.T.shape, dtype=bool)), equal)
        made, earned = walk(market, scheduled, rules, _decider(market, config))
        outputs = proof(market, made, earned, rules)
        outputs["metrics"]["sleeves"] = _each(frame.iloc[scheduled[0] + config.rebalance.lag :], year)
        return outputs

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the Sharpe ratio out of sample and the rebalances; degraded if one was not feasible as asked."""
        note, degraded = summarised(outputs["metrics"])
        return Summary(inputs["streams"].shape[1], outputs["oos_weights"]["symbol"].nunique(), note, degraded)


def _decider(market: Market, config: MetaValidationStageConfig) -> Decide:
    """Return the function that divides capital at a session's close."""
    kept = limits(list(market.quotes.names), config)

    def decide(position: int, held: FloatArray) -> Portfolio:
        found = divide(market.quotes.returns.T[: position + 1], kept, config.allocation)
        return Portfolio.of(found.weights, found.record)

    return decide


def _each(frame: pd.DataFrame, year: int) -> dict[str, Any]:
    """Return each sleeve's figures over sessions after the first, whose close is where capital is first put in."""
    return {str(name): summarise(frame[name].to_numpy()[1:], year) for name in frame.columns}
