"""Validation: what the profile would have earned, walked forward through time, after costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import create_model

from quantflow.config.sections import (
    AllocationConfig,
    CalendarConfig,
    ClustersConfig,
    DataConfig,
    FeaturesConfig,
    PolicyConfig,
    ScoresConfig,
    SynthesisConfig,
    ValidationConfig,
)
from quantflow.data.panel import Panel
from quantflow.errors import InfeasibleError
from quantflow.pipeline.registry import StageRegistry
from quantflow.pipeline.replay import Configured, ancestors, configured, dated, known_at, reach_of
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary, step_runner
from quantflow.stages.walk_forward import Rebalances, decide_all, metrics, schedule, stream, weights_over_time

if TYPE_CHECKING:
    import pandas as pd

    from quantflow.quant.backtest import FloatArray, IntArray


class ValidationStageConfig(StageConfig):
    """What the walk-forward reads: its own section, and those of every stage that it replays."""

    features: FeaturesConfig
    scores: ScoresConfig
    clusters: ClustersConfig
    policy: PolicyConfig
    synthesis: SynthesisConfig
    allocation: AllocationConfig
    validation: ValidationConfig
    calendar: CalendarConfig
    data: DataConfig


class ValidationStage(BasePipelineStage[ValidationStageConfig]):
    """Replays the stages from features to allocation at each rebalance on data up to that session only.

    Stages are given the sessions that they can look back on and no more, so a rebalance costs the same in any year.
    Weights decided on a session's close are traded at that close, earn from the next session on, and drift until
    the next rebalance. Only symbols with a price on the rebalance session take part. When no portfolio is feasible
    the one before is kept (cash at first) and the date recorded. Rebalances do not depend on one another, and are
    made in the order of time.

    ``equal_weight`` is the benchmark: all symbols with a price on the rebalance session, equally weighted, traded
    on the same sessions, before costs.
    """

    id = "validation"
    kind = Kind.COMPUTE
    needs = ("prices", "instruments")
    makes = ("oos_returns", "oos_weights", "metrics")
    replays = ("features", "inference", "clustering", "policy", "synthesis", "allocation")
    Config: ClassVar[type[StageConfig]] = ValidationStageConfig
    chain: ClassVar[tuple[BasePipelineStage[Any], ...]] = ()
    """The stages that are replayed where they are others than ``replays``; their config is part of this stage's."""

    def bound(self, pipeline: Sequence[BasePipelineStage[Any]]) -> BasePipelineStage[Any]:
        """Return the walk-forward of *pipeline*'s own stages: all that its weights come from.

        Raises:
            ConfigError: If one of them cannot be replayed.
        """
        chain, sources = ancestors(pipeline, "weights", self.needs)
        if [type(stage) for stage in chain] == [type(StageRegistry.get(name)) for name in self.replays]:
            return self
        fields: dict[str, Any] = {
            name: (field.annotation, ...)
            for stage in chain
            for name, field in stage.Config.model_fields.items()
            if name != "as_of" and name not in self.Config.model_fields
        }
        body = {
            "__module__": type(self).__module__,
            "__doc__": type(self).__doc__,
            "chain": chain,
            "needs": (*self.needs, *sources),
            "Config": create_model(self.Config.__name__, __base__=self.Config, **fields),
        }
        mine: BasePipelineStage[Any] = type(type(self).__name__, (type(self),), body)()
        return mine

    def modules(self) -> frozenset[str]:
        """Return the modules of this stage and of those that it replays."""
        if not self.chain:
            return super().modules()
        return frozenset({type(self).__module__}).union(*(stage.modules() for stage in self.chain))

    def run(self, inputs: Inputs, config: ValidationStageConfig) -> Outputs:
        """Return ``oos_returns``, ``oos_weights`` and ``metrics``.

        Raises:
            DataError: If the history is too short for a single rebalance.
        """
        import numpy as np

        from quantflow.quant.backtest import carried_returns, equal_weights, simulate

        prices, chosen = inputs["prices"], config.validation
        scheduled = schedule(prices.sessions, chosen, "prices")
        chain = self.chain or tuple(StageRegistry.get(name) for name in self.replays)
        made = _replayed(configured(chain, config.model_dump(mode="json"), prices.sessions[-1]), inputs, scheduled)
        returns = carried_returns(prices.close)
        strategy = simulate(returns, made.positions, made.targets, chosen.commission_bps + chosen.slippage_bps)
        pool = simulate(returns, scheduled, equal_weights(np.isfinite(prices.close[:, scheduled]).T))
        sessions = prices.sessions[scheduled[0] :]
        return {
            "oos_returns": stream(sessions, strategy, pool),
            "oos_weights": weights_over_time(prices.symbols, prices.sessions, made),
            "metrics": metrics(sessions, strategy, pool, chosen, config.calendar) | {"rebalances": made.account},
        }

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the Sharpe ratio out of sample and the number of rebalances; degraded if one was not feasible."""
        metrics = outputs["metrics"]
        sharpe, done = metrics["strategy"]["sharpe"], metrics["rebalances"]
        note = f"Sharpe {'n/a' if sharpe is None else format(sharpe, '.2f')}, {done['traded']} rebalances"
        held = len(done["held"])
        return Summary(
            len(inputs["prices"].symbols),
            int(outputs["oos_weights"]["symbol"].nunique()),
            f"{note}, {held} not feasible" if held else note,
            degraded=held > 0,
        )


def _replayed(chain: Sequence[Configured], inputs: Inputs, scheduled: IntArray) -> Rebalances:
    import numpy as np

    prices = inputs["prices"]
    instruments = inputs["instruments"].loc[list(prices.symbols)]
    sources = {name: value for name, value in inputs.items() if name not in ("prices", "instruments")}
    row = {symbol: i for i, symbol in enumerate(prices.symbols)}
    reach = reach_of(chain, ("prices", *sources))

    def decide(position: int) -> FloatArray:
        session = prices.sessions[position]
        then = seen(prices, position, reach)
        known = {name: known_at(name, value, session, then.symbols, reach) for name, value in sources.items()}
        weights = _decide(dated(chain, session), then, instruments, known)
        target = np.zeros(len(row))
        target[[row[symbol] for symbol in weights.index]] = weights["weight"].to_numpy()
        return target

    with quiet_steps():
        return decide_all(prices.sessions, scheduled, len(row), decide)


def seen(prices: Panel, position: int, reach: int | None) -> Panel:
    """Return what was known at a close: the latest *reach* sessions of the symbols with a price on the last one."""
    import numpy as np

    alive = np.flatnonzero(np.isfinite(prices.close[:, position]))
    window = slice(0 if reach is None else max(0, position + 1 - reach), position + 1)
    fields = {name: np.ascontiguousarray(values[alive, window]) for name, values in prices.fields.items()}
    return Panel(tuple(prices.symbols[i] for i in alive), prices.sessions[window], fields)


def _decide(
    chain: Sequence[Configured],
    prices: Panel,
    instruments: pd.DataFrame,
    known: Mapping[str, Any],
) -> pd.DataFrame:
    if not prices.symbols:
        raise InfeasibleError("No symbol has a price.")
    if len(prices.symbols) < len(instruments):
        instruments = instruments.loc[list(prices.symbols)]
    values: dict[str, Any] = {"prices": prices, "instruments": instruments, **known}
    for stage, config in chain:
        values |= stage.replay({name: values[name] for name in stage.needs}, config)
    return values["weights"]


@contextmanager
def quiet_steps() -> Iterator[None]:
    """Keep the steps of replayed stages to themselves: there are hundreds of replays."""
    token = step_runner.set(lambda name, fn, args: fn(*args))
    try:
        yield
    finally:
        step_runner.reset(token)
