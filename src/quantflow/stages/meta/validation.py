"""Validation across sleeves: what dividing capital this way would have earned, walked forward, after costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.calendar import CalendarConfig
from quantflow.config.meta import MetaValidation
from quantflow.config.sections import RebalanceConfig
from quantflow.data.quotes import Quotes
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, Summary
from quantflow.quant.backtest import Backtest, FloatArray, IntArray, simulate
from quantflow.quant.metrics import summarise
from quantflow.quant.sleeves import Trades, look_through
from quantflow.stages.meta.assets import ASSETS, from_frames
from quantflow.stages.meta.optimisation import OptimisationStageConfig, divide, limits
from quantflow.stages.walk_forward import Decide, Market, Portfolio, Rules, proof, schedule, summarised, walk

if TYPE_CHECKING:
    import pandas as pd


class MetaValidationStageConfig(OptimisationStageConfig):
    """What the walk-forward across sleeves reads: what optimisation reads, its own section, and the calendar."""

    rebalance: RebalanceConfig
    validation: MetaValidation
    calendar: CalendarConfig


@dataclass(frozen=True, eq=False)
class Sleeves(Market):
    """A market whose names are sleeves, each of which is a portfolio of assets.

    Attributes:
        assets: Quotes of all assets, on the sleeves' sessions.
        trades: The trades of each sleeve, in the order of the names, at the portfolio's own lag.
        pools: Returns of the equal weight of each sleeve's universe, after costs, shape (N, T).
    """

    assets: Quotes = field(kw_only=True)
    trades: tuple[Trades, ...] = field(kw_only=True)
    pools: FloatArray = field(kw_only=True)

    def beside(self, scheduled: IntArray, rules: Rules) -> dict[str, Backtest]:
        """Return what equal parts earn: of the universes of the sleeves, and of the sleeves."""
        at = scheduled + rules.rebalance.lag
        pools = simulate(self.pools, at, self.equal, rules.rates(self.quotes))
        return {"equal_weight": pools, "equal_sleeves": self.earned(scheduled, self.equal, rules, rules.rebalance.lag)}

    def earned(self, decided: IntArray, targets: FloatArray, rules: Rules, lag: int) -> Backtest:
        """Return what the assets earn, netted, that divisions of capital come to; sleeves trade at that lag too."""
        return self.paid(self.through(decided, targets, rules, lag), rules)

    def paid(self, traded: Trades, rules: Rules) -> Backtest:
        """Return what the assets earn, after the cost of trading them."""
        return simulate(self.assets.returns, traded.at, traded.targets, rules.rates(self.assets), self.assets.tradable)

    def through(self, decided: IntArray, targets: FloatArray, rules: Rules, lag: int) -> Trades:
        """Return what is traded of each asset."""
        capital = _shifted(Trades(decided, targets), lag, len(self.assets.sessions))
        sleeves = [_shifted(each, lag - rules.rebalance.lag, len(self.assets.sessions)) for each in self.trades]
        return look_through(sleeves, capital, self.assets.returns, self.assets.tradable)


class MetaValidationStage(BasePipelineStage[MetaValidationStageConfig]):
    """Divides capital again at each rebalance, on the sleeves' streams up to that session only.

    The division decides; what is traded, and paid for, is assets. Capital is moved at the close ``rebalance.lag``
    sessions after the one that decides, and the sleeves trade when they do: what they hold of an asset is netted, and
    a change of that net position costs commission and slippage, as it does in the book. Where no division is feasible
    the one before is kept (cash at first) and the date recorded.

    Two benchmarks trade on the same sessions and pay for it: ``equal_weight``, the equal weight of each sleeve's
    universe, in equal parts; ``equal_sleeves``, the budget in equal parts in all sleeves.
    """

    id = "meta.validation"
    kind = Kind.COMPUTE
    needs = ("streams", "benchmarks", "sleeve_trades", *ASSETS)
    makes = ("oos_returns", "oos_weights", "oos_capital", "metrics")
    Config = MetaValidationStageConfig

    def run(self, inputs: Inputs, config: MetaValidationStageConfig) -> Outputs:
        """Return ``oos_returns``, ``oos_weights`` (of assets), ``oos_capital`` (of sleeves) and ``metrics``.

        ``metrics`` has, beside the figures of the strategy and the benchmarks, those of each sleeve over the same
        sessions (``sleeves``).

        Raises:
            DataError: If the streams are too short for a single rebalance.
        """
        frame: pd.DataFrame = inputs["streams"]
        year = config.calendar.annualisation
        rules = Rules(config.rebalance, config.validation, year)
        market = _market(inputs, rules, config.budget)
        scheduled = schedule(market.quotes.sessions, rules, "sleeves' streams")
        made, _ = walk(market, scheduled, rules, _decider(market, config))
        lag = config.rebalance.lag
        traded = market.through(made.positions, made.targets, rules, lag)
        outputs = proof(market, made, market.paid(traded, rules), rules)
        del outputs["metrics"]["equal_weight"][
            "turnover_annual"
        ]  # what the universes trade inside is paid, not counted
        outputs["metrics"]["sleeves"] = _each(frame.iloc[scheduled[0] + lag :], year)
        return outputs | {"oos_capital": outputs["oos_weights"], "oos_weights": _traded(market.assets, traded)}

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the Sharpe ratio out of sample and the rebalances; degraded if one was not feasible as asked."""
        note, degraded = summarised(outputs["metrics"])
        return Summary(inputs["streams"].shape[1], outputs["oos_capital"]["symbol"].nunique(), note, degraded)


def _market(inputs: Inputs, rules: Rules, budget: float) -> Sleeves:
    frame: pd.DataFrame = inputs["streams"]
    sessions = frame.index.to_numpy().astype("datetime64[D]")
    names, shape = tuple(map(str, frame.columns)), frame.T.shape
    assets = from_frames(inputs).on(sessions)
    decided = len(schedule(sessions, rules, "sleeves' streams"))
    rows = dict(list(inputs["sleeve_trades"].groupby("sleeve")))
    return Sleeves(
        Quotes(names, sessions, frame.to_numpy(dtype=float).T, np.ones(shape, dtype=bool)),
        np.full((decided, len(names)), budget / len(names)),
        assets=assets,
        trades=tuple(_trades(rows[name], assets) if name in rows else _none(assets) for name in names),
        pools=inputs["benchmarks"].to_numpy(dtype=float).T,
    )


def _trades(rows: pd.DataFrame, assets: Quotes) -> Trades:
    """Return a sleeve's trades, each on the first session from its own on that the assets have."""
    grid = rows.pivot_table(index="date", columns="symbol", values="weight", aggfunc="sum", fill_value=0.0)
    at = np.searchsorted(assets.sessions, grid.index.to_numpy().astype("datetime64[D]"))
    last = np.flatnonzero(np.append(at[1:] != at[:-1], True) & (at < len(assets.sessions)))
    targets = grid.reindex(columns=list(assets.names), fill_value=0.0).to_numpy()
    return Trades(at[last], targets[last])


def _none(assets: Quotes) -> Trades:
    """Return the trades of a sleeve that was never invested."""
    return Trades(np.empty(0, dtype=np.int64), np.empty((0, len(assets.names))))


def _shifted(trades: Trades, by: int, sessions: int) -> Trades:
    at = trades.at + by
    there = (at >= 0) & (at < sessions)
    return Trades(at[there], trades.targets[there])


def _traded(assets: Quotes, traded: Trades) -> pd.DataFrame:
    """Return ``oos_weights``: date traded, symbol and weight of each target that is not zero."""
    import pandas as pd

    which, name = np.nonzero(traded.targets)
    return pd.DataFrame(
        {
            "date": pd.DatetimeIndex(assets.sessions[traded.at[which]]),
            "symbol": np.array(list(assets.names), dtype=object)[name],
            "weight": traded.targets[which, name],
        }
    )


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
