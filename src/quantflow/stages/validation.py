"""Validation: what the profile would have earned, walked forward through time, after costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np

from quantflow.config.calendar import CalendarConfig
from quantflow.config.data import DataConfig
from quantflow.config.operation import ValidationConfig
from quantflow.config.sections import (
    AllocationConfig,
    ClustersConfig,
    FeaturesConfig,
    PolicyConfig,
    RebalanceConfig,
    ScoresConfig,
    SynthesisConfig,
)
from quantflow.data.quality.history import mortality, quotes, whole
from quantflow.data.quality.usable import usable
from quantflow.pipeline.arrange import INCUMBENT
from quantflow.pipeline.play import in_the_background, play
from quantflow.pipeline.stage import Inputs, Kind, Outputs, Stage, StageConfig, Summary
from quantflow.quant.backtest import FloatArray, equal_weights
from quantflow.stages.exposures import betas_now, leanings, over_time
from quantflow.stages.holding import incumbent
from quantflow.stages.replaying import ReplayingStage
from quantflow.stages.replays import Past, made_at, shared_replays
from quantflow.stages.walk_forward import (
    BENCHMARK,
    Decide,
    Market,
    Portfolio,
    Rules,
    chosen,
    proof,
    schedule,
    summarised,
    walk,
)
from quantflow.types import Settings

REPLAYED = ("features", "inference", "clustering", "policy", "synthesis", "allocation")
"""The built-in stages that weights come from."""


class ValidationStageConfig(StageConfig):
    """What the walk-forward reads: its own section, and those of every stage that it replays."""

    features: FeaturesConfig
    scores: ScoresConfig
    clusters: ClustersConfig
    policy: PolicyConfig
    synthesis: SynthesisConfig
    allocation: AllocationConfig
    rebalance: RebalanceConfig
    validation: ValidationConfig
    calendar: CalendarConfig
    data: DataConfig


class ValidationStage(ReplayingStage[ValidationStageConfig]):
    """Replays the stages from features to allocation at each rebalance on data up to that session only.

    Stages are given the sessions that they can look back on and no more, so a rebalance costs the same in any year.
    Weights decided at a session's close are traded at the close ``rebalance.lag`` sessions later, earn from the session
    after that on, and drift until the next trade. The symbols that take part are those that could be used with what was
    known on the session that decides (``data.quality.usable``), also when they have stopped trading since: they stay in
    what is held up to their last move. One without a price on the session that trades is kept as it is, until it
    counts as ended. When no portfolio is feasible the one before is kept (cash at first) and the date recorded. A stage
    that needs ``incumbent`` is given the weights held at that close; where none does, rebalances do not depend on one
    another.

    ``equal_weight`` is the benchmark: all symbols that could be used on the session that decides, equally weighted,
    traded on the same sessions and at the same cost.
    """

    id = "validation"
    kind = Kind.COMPUTE
    makes = ("oos_returns", "oos_weights", "metrics", "exposures", "betas")
    Config = ValidationStageConfig
    goal = "weights"
    usual = REPLAYED
    given = (BENCHMARK, INCUMBENT)

    def __init__(self, chain: Sequence[Stage] = (), sources: Sequence[str] = (), *, benchmark: bool = False) -> None:
        """Replay *chain*, the built-in stages when empty.

        Args:
            chain: The stages that weights come from.
            sources: The artifacts that these need besides.
            benchmark: Whether the profile names a benchmark.
        """
        super().__init__(chain, sources)
        self.benchmark = benchmark
        if benchmark:
            self.needs = (*type(self).needs, BENCHMARK, *self.sources)

    def __reduce__(self) -> tuple[Any, tuple[Sequence[Stage], Sequence[str]]]:
        return partial(type(self), benchmark=self.benchmark), (self.chain, self.sources)

    def under(self, settings: Settings) -> ValidationStage:
        """Return the walk-forward that needs the prices of a benchmark, where the profile names one."""
        named = bool(settings.get("validation", {}).get("benchmark"))
        return type(self)(self.chain, self.sources, benchmark=named) if named else self

    def over(self, chain: Sequence[Stage], sources: Sequence[str]) -> Self:
        """Return the walk-forward of *chain*, beside the same benchmark."""
        return type(self)(chain, sources, benchmark=self.benchmark)

    def run(self, inputs: Inputs, config: ValidationStageConfig) -> Outputs:
        """Return ``oos_returns``, ``oos_weights``, ``metrics``, ``exposures`` and ``betas``.

        Raises:
            DataError: If the history is too short for a single rebalance.
        """
        prices, roster = whole(inputs["prices"], inputs["past"]), inputs["roster"]
        rules = Rules(config.rebalance, config.validation, config.calendar.annualisation)
        scheduled = schedule(prices.sessions, rules, "prices")
        able = usable(prices, scheduled, config.data, roster)
        traded = quotes(inputs["prices"], inputs["past"], roster, config.data)
        benchmark = chosen(config.validation.benchmark, inputs.get(BENCHMARK), traded)
        market = Market(traded, equal_weights(able), benchmark)
        with in_the_background():
            past = self.past(prices, dict(zip(scheduled.tolist(), able, strict=True)), inputs, config)
            decide = self._decider(past)
            made, earned = walk(market, scheduled, rules, decide)
        out = proof(market, made, earned, rules)
        leant = {
            "exposures": over_time(market, made, rules.rebalance.lag),
            "betas": betas_now(market, inputs["prices"].symbols),
        }
        return out | leant | {"metrics": out["metrics"] | {"universe": mortality(prices, able, roster, config.data)}}

    def _decider(self, past: Past) -> Decide:
        """Return the function that gives the weights decided at the close of a session."""
        symbols = past.prices.symbols
        row = {symbol: i for i, symbol in enumerate(symbols)}
        shared = shared_replays(self.chain, past)
        rest = self.chain[len(shared) :]
        weighed = any(INCUMBENT in stage.needs for stage in self.chain)

        def decide(position: int, held: FloatArray) -> Portfolio:
            values = past.at(position) | ({INCUMBENT: incumbent(symbols, held)} if weighed else {})
            known = made_at(shared, past.number[position])
            stages = self.chain if known is None else rest
            made = play(stages, values | (known or {}), past.settings_at(position), replay=True)
            weights, winners = made["weights"], made.get("winners")
            target = np.zeros(len(row))
            target[[row[symbol] for symbol in weights.index.tolist()]] = weights["weight"].to_numpy()
            level = int(winners["level"].max()) if winners is not None and "level" in winners else None
            return replace(Portfolio.of(target, made.get("allocation"), level), leanings=leanings(made))

        return decide

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the Sharpe ratio out of sample and the number of rebalances; degraded if one was not feasible."""
        note, degraded = summarised(outputs["metrics"])
        return Summary(len(inputs["prices"].symbols), int(outputs["oos_weights"]["symbol"].nunique()), note, degraded)
