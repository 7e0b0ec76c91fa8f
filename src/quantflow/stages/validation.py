"""Validation: what the profile would have earned, walked forward through time, after costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from quantflow.config.allocation import AllocationConfig
from quantflow.config.calendar import CalendarConfig
from quantflow.config.clusters import ClustersConfig
from quantflow.config.data import DataConfig
from quantflow.config.features import FeaturesConfig
from quantflow.config.policy import PolicyConfig
from quantflow.config.scores import ScoresConfig
from quantflow.config.synthesis import SynthesisConfig
from quantflow.config.validation import ValidationConfig
from quantflow.data.panel import Panel
from quantflow.errors import DataError, InfeasibleError
from quantflow.stages.base import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary, step_runner
from quantflow.stages.registry import StageRegistry

if TYPE_CHECKING:
    import pandas as pd

    from quantflow.quant.backtest import Backtest, FloatArray, IntArray


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

    @property
    def reach(self) -> int:
        """Sessions up to a rebalance, itself included, that the replayed stages can look back on at most."""
        from quantflow.quant.features import FeatureWindows

        features = FeatureWindows(**self.features.model_dump()).sessions
        return max(features, max(self.clusters.lookbacks) + 1, self.allocation.lookback + 1)


@dataclass(frozen=True, eq=False)
class Rebalances:
    """What the replayed stages decided.

    Attributes:
        positions: Sessions that trade, as positions in the panel, increasing.
        targets: Signed weights to which they trade, shape (K, N).
        held: Sessions on which no portfolio was feasible, with the reason; the portfolio was left alone.
    """

    positions: IntArray
    targets: FloatArray
    held: tuple[tuple[str, str], ...]


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

    def run(self, inputs: Inputs, config: ValidationStageConfig) -> Outputs:
        """Return ``oos_returns``, ``oos_weights`` and ``metrics``.

        Raises:
            DataError: If the history is too short for a single rebalance.
        """
        import numpy as np

        from quantflow.quant.backtest import carried_returns, equal_weights, simulate

        prices, chosen = inputs["prices"], config.validation
        scheduled = _schedule(prices, chosen)
        chain = _chain(self.replays, {name: getattr(config, name) for name in type(config).model_fields})
        made = _replayed(chain, inputs, scheduled, config.reach)
        returns = carried_returns(prices.close)
        strategy = simulate(returns, made.positions, made.targets, chosen.commission_bps + chosen.slippage_bps)
        pool = simulate(returns, scheduled, equal_weights(np.isfinite(prices.close[:, scheduled]).T))
        sessions = prices.sessions[scheduled[0] :]
        return {
            "oos_returns": _stream(sessions, strategy, pool),
            "oos_weights": _weights(prices, made),
            "metrics": _metrics(sessions, strategy, pool, config) | {"rebalances": _account(scheduled, made)},
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


def _schedule(prices: Panel, config: ValidationConfig) -> IntArray:
    """Return the positions of the sessions to rebalance on."""
    from quantflow.quant.backtest import period_ends

    ends = period_ends(prices.sessions, config.rebalance)
    scheduled = ends[ends >= config.min_history - 1]
    if not len(scheduled):
        raise DataError(
            f"The prices have {len(prices.sessions)} sessions: no {config.rebalance} rebalance comes after the first "
            f"{config.min_history}.",
            hint="Give more history (data.start), or lower validation.min_history.",
        )
    return scheduled


def _chain(ids: Sequence[str], settings: Mapping[str, Any]) -> list[tuple[BasePipelineStage[Any], StageConfig]]:
    stages = [StageRegistry.get(stage_id) for stage_id in ids]
    return [(stage, stage.configured(settings)) for stage in stages]


def _replayed(
    chain: Sequence[tuple[BasePipelineStage[Any], StageConfig]], inputs: Inputs, scheduled: IntArray, reach: int
) -> Rebalances:
    import numpy as np

    prices = inputs["prices"]
    instruments = inputs["instruments"].loc[list(prices.symbols)]
    row = {symbol: i for i, symbol in enumerate(prices.symbols)}
    positions: list[int] = []
    targets: list[FloatArray] = []
    held: list[tuple[str, str]] = []
    with _quiet_steps():
        for position in scheduled.tolist():
            target = np.zeros(len(row))
            try:
                weights = _decide(chain, _seen(prices, position, reach), instruments)
            except InfeasibleError as error:
                held.append((str(prices.sessions[position]), error.message))
                if positions:
                    continue
            else:
                target[[row[symbol] for symbol in weights.index]] = weights["weight"].to_numpy()
            positions.append(position)
            targets.append(target)
    return Rebalances(np.array(positions), np.stack(targets), tuple(held))


def _seen(prices: Panel, position: int, reach: int) -> Panel:
    """Return what was known at a close: the latest *reach* sessions of the symbols with a price on the last one."""
    import numpy as np

    alive = np.flatnonzero(np.isfinite(prices.close[:, position]))
    window = slice(max(0, position + 1 - reach), position + 1)
    fields = {name: np.ascontiguousarray(values[alive, window]) for name, values in prices.fields.items()}
    return Panel(tuple(prices.symbols[i] for i in alive), prices.sessions[window], fields)


def _decide(
    chain: Sequence[tuple[BasePipelineStage[Any], StageConfig]], prices: Panel, instruments: pd.DataFrame
) -> pd.DataFrame:
    if not prices.symbols:
        raise InfeasibleError("No symbol has a price.")
    if len(prices.symbols) < len(instruments):
        instruments = instruments.loc[list(prices.symbols)]
    values: dict[str, Any] = {"prices": prices, "instruments": instruments}
    for stage, config in chain:
        values |= stage.replay({name: values[name] for name in stage.needs}, config)
    return values["weights"]


@contextmanager
def _quiet_steps() -> Iterator[None]:
    """Keep the steps of replayed stages to themselves: there are hundreds of replays."""
    token = step_runner.set(lambda name, fn, args: fn(*args))
    try:
        yield
    finally:
        step_runner.reset(token)


def _stream(sessions: Any, strategy: Backtest, pool: Backtest) -> pd.DataFrame:
    import pandas as pd

    columns = {name: getattr(strategy, name) for name in ("net", "gross", "cost", "turnover")}
    return pd.DataFrame(columns | {"equal_weight": pool.gross}, index=pd.DatetimeIndex(sessions, name="date"))


def _weights(prices: Panel, made: Rebalances) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    which, symbol = np.nonzero(made.targets)
    return pd.DataFrame(
        {
            "date": pd.DatetimeIndex(prices.sessions[made.positions[which]]),
            "symbol": np.array(prices.symbols, dtype=object)[symbol],
            "weight": made.targets[which, symbol],
        }
    )


def _metrics(sessions: Any, strategy: Backtest, pool: Backtest, config: ValidationStageConfig) -> dict[str, Any]:
    from quantflow.quant import metrics

    year, chosen = config.calendar.annualisation, config.validation
    span = {"start": str(sessions[0].astype("datetime64[D]")), "end": str(sessions[-1].astype("datetime64[D]"))}

    def block(returns: FloatArray, turnover: FloatArray) -> dict[str, Any]:
        traded = metrics.annual_turnover(turnover, year)
        return metrics.summarise(returns, year) | {"turnover_annual": traded} | span

    return {
        "annualisation": year,
        "strategy": block(strategy.net, strategy.turnover),
        "equal_weight": block(pool.gross, pool.turnover),
        "costs": {
            "commission_bps": chosen.commission_bps,
            "slippage_bps": chosen.slippage_bps,
            "cagr_drag": metrics.cost_drag(strategy.gross, strategy.net, year),
            "wealth_lost": metrics.final_cost(strategy.cost),
        },
    }


def _account(scheduled: IntArray, made: Rebalances) -> dict[str, Any]:
    held = [{"date": date, "reason": reason} for date, reason in made.held]
    return {"scheduled": len(scheduled), "traded": len(scheduled) - len(held), "held": held}
