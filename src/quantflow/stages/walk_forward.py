"""What the walk-forwards share: when they trade, what they decided, and what came of it, as artifacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.operation import CostsConfig, WalkForwardConfig, names_file
from quantflow.config.sections import RebalanceConfig
from quantflow.data.panel import Panel
from quantflow.data.quotes import Quotes, costs
from quantflow.errors import DataError, InfeasibleError
from quantflow.pipeline.advance import counted
from quantflow.quant import metrics
from quantflow.quant.backtest import (
    Backtest,
    DateArray,
    FloatArray,
    IntArray,
    Simulation,
    carried_returns,
    decision_sessions,
    simulate,
)
from quantflow.quant.costs import Rates
from quantflow.quant.research.exposures import Exposure
from quantflow.types import Record

if TYPE_CHECKING:
    import pandas as pd


BENCHMARK = "benchmark"
"""The artifact with the prices of a benchmark that is not in the universe."""


@dataclass(frozen=True, eq=False)
class Benchmark:
    """What is bought once and held, to be compared with.

    Attributes:
        name: Its symbol; of a file without symbols, the file's name.
        source: Where its prices are from: ``universe``, ``provider`` or ``file``.
        returns: Simple returns over the market's sessions, shape (T,); NaN until its second price.
    """

    name: str
    source: str
    returns: FloatArray


@dataclass(frozen=True, eq=False)
class Market:
    """What a walk-forward trades.

    Attributes:
        quotes: Of N symbols or sleeves over T sessions.
        equal: The benchmark's targets at each scheduled session, shape (K, N).
        benchmark: What is held instead as a second benchmark; None for none.
    """

    quotes: Quotes
    equal: FloatArray
    benchmark: Benchmark | None = None

    def beside(self, scheduled: IntArray, rules: Rules) -> dict[str, Backtest]:
        """Return what the benchmarks earn, by name; they trade on the strategy's sessions and pay as it does.

        Args:
            scheduled: K positions of the sessions to decide on.
            rules: How decisions become trades.
        """
        return {"equal_weight": self.earned(scheduled, self.equal, rules, rules.rebalance.lag)}

    def earned(self, decided: IntArray, targets: FloatArray, rules: Rules, lag: int) -> Backtest:
        """Return what portfolios earn that are traded some sessions after the close that decided them.

        Args:
            decided: K positions of sessions, increasing; those that the quotes end before are left out.
            targets: Signed weights, shape (K, N).
            rules: What trading costs.
            lag: Sessions from decision to trade.
        """
        at = decided + lag
        there = at < len(self.quotes.sessions)
        return simulate(self.quotes.returns, at[there], targets[there], rules.rates(self.quotes), self.quotes.tradable)


@dataclass(frozen=True, eq=False)
class Portfolio:
    """What was decided at the close of one session.

    Attributes:
        weights: Signed weights, shape (N,).
        method: The allocation method that gave them; empty when that is not known (stages of other packages).
        level: The highest relaxation level of a winner; None without a policy.
        reason: Why the method that is configured gave none; None when it did.
        leanings: What it is exposed to besides the market: sectors, clusters, features.
    """

    weights: FloatArray
    method: str = ""
    level: int | None = None
    reason: str | None = None
    leanings: tuple[Exposure, ...] = ()

    @classmethod
    def of(cls, weights: FloatArray, allocation: Record | None, level: int | None = None) -> Portfolio:
        """Return a portfolio with the method and reason that an ``allocation`` record has."""
        record = allocation or {}
        used, configured = record.get("used", ""), record.get("method", "")
        fell = used != configured
        return cls(weights, used, level, (record.get("infeasible_because") or "no reason recorded") if fell else None)


Decide = Callable[[int, FloatArray], Portfolio]
"""Decides at a session, given its position and the weights held at its close, shape (N,)."""


@dataclass(frozen=True)
class Rules:
    """How decisions become trades.

    Attributes:
        rebalance: How often decisions are made, and how many sessions later they are traded.
        validation: What trading costs, and which other lags are shown.
        sessions: Sessions per year.
    """

    rebalance: RebalanceConfig
    validation: WalkForwardConfig
    sessions: int

    def rates(self, quotes: Quotes, names: Sequence[str] | None = None) -> Rates:
        """Return what trading and holding costs: all names of *quotes*, or those given."""
        return costs(self.validation, quotes.own, self.sessions).rates(quotes.names if names is None else names)


@dataclass(frozen=True, eq=False)
class Portfolios:
    """What was decided, K portfolios of N names.

    Attributes:
        scheduled: Sessions on which a decision was due, as positions, increasing.
        positions: Sessions on which one was made.
        targets: Signed weights decided, shape (K, N).
        held: Sessions on which no portfolio was feasible, with the reason; the portfolio was left alone.
        decisions: By session, in order: those that gave weights.
    """

    scheduled: IntArray
    positions: IntArray
    targets: FloatArray
    held: tuple[tuple[str, str], ...]
    decisions: Mapping[str, Portfolio]

    @property
    def account(self) -> dict[str, Any]:
        """How many rebalances were scheduled and traded, how (``methods``, ``levels``), and which as a fallback.

        ``fallbacks`` are those that another method decided, ``held`` those without weights, each with its reason;
        ``relaxed`` are those with a winner above level 1, each with its highest level.
        """
        held = [{"date": date, "reason": reason} for date, reason in self.held]
        made = self.decisions.values()
        return {
            "scheduled": len(self.scheduled),
            "traded": len(self.scheduled) - len(held),
            "held": held,
            "methods": dict(sorted(Counter(one.method for one in made if one.method).items())),
            "levels": dict(sorted(Counter(str(one.level) for one in made if one.level is not None).items())),
            "relaxed": [
                {"date": date, "level": one.level}
                for date, one in self.decisions.items()
                if one.level is not None and one.level > 1
            ],
            "fallbacks": [
                {"date": date, "method": one.method, "reason": one.reason}
                for date, one in self.decisions.items()
                if one.reason is not None
            ],
        }


def schedule(sessions: DateArray, rules: Rules, what: str) -> IntArray:
    """Return the positions of the sessions to decide on, of which each can be traded on a later session of the grid.

    Args:
        sessions: All sessions, ``datetime64[D]``, increasing.
        rules: How often, how many sessions come first, and how many sessions later a decision is traded.
        what: What has the sessions, for the error.

    Raises:
        DataError: If the history is too short for a single rebalance.
    """
    first, every = rules.validation.min_history - 1, rules.rebalance.every
    ends = first + decision_sessions(sessions[first:], every)
    scheduled = ends[ends + rules.rebalance.lag < len(sessions)]
    if not len(scheduled):
        rhythm = f"{every}-session" if isinstance(every, int) else every
        raise DataError(
            f"The {what} have {len(sessions)} sessions: no {rhythm} rebalance comes after the first {first + 1}.",
            hint="Give more history (data.start), or lower validation.min_history.",
        )
    return scheduled


def walk(market: Market, scheduled: IntArray, rules: Rules, decide: Decide) -> tuple[Portfolios, Backtest]:
    """Decide at each scheduled session, in the order of time, and trade what was decided the lag later.

    Where no portfolio is feasible the one before is kept: cash when there is none. A name without a price on the
    session that trades is kept as it is.

    Args:
        market: What is traded.
        scheduled: Positions of the sessions to decide on.
        rules: How decisions become trades.
        decide: Decides; raises InfeasibleError where no portfolio is feasible.
    """
    portfolio = Simulation(market.quotes.returns, rules.rates(market.quotes))
    made: dict[int, FloatArray] = {}
    decisions: dict[str, Portfolio] = {}
    held: list[tuple[str, str]] = []
    due: list[int] = []

    def trade_up_to(position: int) -> None:
        while due and due[0] + rules.rebalance.lag <= position:
            at = due[0] + rules.rebalance.lag
            portfolio.trade(at, made[due.pop(0)], market.quotes.tradable[:, at])

    for position in counted(scheduled.tolist(), "rebalances"):
        trade_up_to(position)
        try:
            decisions[str(market.quotes.sessions[position])] = decided = decide(position, portfolio.drifted(position))
            target = decided.weights
        except InfeasibleError as error:
            held.append((str(market.quotes.sessions[position]), error.message))
            if made:
                continue
            target = np.zeros(len(market.quotes.names))
        made[position] = target
        due.append(position)
    trade_up_to(len(market.quotes.sessions) - 1)
    positions, targets = np.array(list(made)), np.stack(list(made.values()))
    return Portfolios(scheduled, positions, targets, tuple(held), decisions), portfolio.result()


def proof(market: Market, made: Portfolios, strategy: Backtest, rules: Rules) -> dict[str, Any]:
    """Return ``oos_returns``, ``oos_weights`` and ``metrics`` of what was decided.

    Args:
        market: What is traded.
        made: The decisions.
        strategy: What they earned.
        rules: How decisions become trades; the benchmark trades likewise, at the same cost.
    """
    lag, year = rules.rebalance.lag, rules.sessions
    benchmarks = market.beside(made.scheduled, rules)
    shown = market.quotes.sessions[made.scheduled[0] + lag :]
    figures = _metrics(shown, strategy, benchmarks, year) | {"costs": _charged(market, strategy, rules)}
    figures["rebalances"] = made.account
    figures["strategy"]["lag"] = lag
    if others := [each for each in rules.validation.lags if each != lag]:
        figures["lags"] = {str(each): _at_lag(market, made, rules, each) for each in others}
    stream = _stream(shown, strategy, benchmarks)
    if market.benchmark is not None:
        first = int(made.scheduled[0]) + lag
        stream["benchmark"] = held = _held(market, market.benchmark, first, rules)
        beside = {**metrics.summarise(held, year), **metrics.against(strategy.net, held, year)}
        span = {name: figures["strategy"][name] for name in ("start", "end")}
        named = {"symbol": market.benchmark.name, "source": market.benchmark.source}
        figures["benchmark"] = {**named, **beside, **span}
    return {
        "oos_returns": stream,
        "oos_weights": _weights_over_time(market, made, lag),
        "metrics": figures,
    }


def chosen(name: str | None, prices: Panel | None, quotes: Quotes) -> Benchmark | None:
    """Return the benchmark of the profile's choice; None without one.

    Args:
        name: ``validation.benchmark``.
        prices: What ingestion fetched of it; without a symbol when it is one of the universe.
        quotes: What is traded.

    Raises:
        DataError: If it has no prices.
    """
    if name is None:
        return None
    if name in quotes.names:
        return Benchmark(name, "universe", quotes.returns[quotes.names.index(name)])
    if prices is None or not prices.symbols:
        raise DataError(
            f"validation.benchmark {name!r} has no prices in this run.",
            hint="Name a symbol that passes the data checks, or a file of dates and closes.",
        )
    close = np.full((1, len(quotes.sessions)), np.nan)
    _, mine, theirs = np.intersect1d(quotes.sessions, prices.sessions, return_indices=True)
    close[0, mine] = prices.close[0, theirs]
    return Benchmark(prices.symbols[0], "file" if names_file(name) else "provider", carried_returns(close)[0])


def _held(market: Market, benchmark: Benchmark, first: int, rules: Rules) -> FloatArray:
    """Return what a benchmark earns that is bought at the close of a session and held, after the cost of buying it."""
    if not np.isfinite(benchmark.returns[first : first + 1]).all():
        raise DataError(
            f"validation.benchmark {benchmark.name!r} has no price at the first rebalance, "
            f"{market.quotes.sessions[first]}.",
            hint="Choose one with a longer history, or raise validation.min_history.",
        )
    rates = rules.rates(market.quotes, [benchmark.name])
    return simulate(benchmark.returns[None, :], np.array([first]), np.ones((1, 1)), rates).net


def _at_lag(market: Market, made: Portfolios, rules: Rules, lag: int) -> dict[str, Any]:
    """Return the figures of the same decisions, traded at another lag."""
    found = market.earned(made.positions, made.targets, rules, lag)
    traded = {"turnover_annual": metrics.annual_turnover(found.turnover, rules.sessions), "lag": lag}
    return metrics.summarise(found.net, rules.sessions) | traded


def summarised(figures: Any) -> tuple[str, bool]:
    """Return the Sharpe ratio and the rebalances of ``metrics`` in words, and whether one was not made as asked."""
    sharpe, done = figures["strategy"]["sharpe"], figures["rebalances"]
    held, fell = len(done["held"]), len(done["fallbacks"])
    low, high = (figures["strategy"].get(name) for name in ("sharpe_low", "sharpe_high"))
    note = f"Sharpe {'n/a' if sharpe is None else f'{sharpe:.2f} (95%: {low:.2f} to {high:.2f})'}"
    note += f", {done['traded']} rebalances"
    note += f", {held} not feasible" if held else ""
    note += f", {fell} by a fallback" if fell else ""
    note += "".join(f", {number} at level {level}" for level, number in done["levels"].items() if level != "1")
    return note, held + fell > 0


def _stream(sessions: DateArray, strategy: Backtest, benchmarks: Mapping[str, Backtest]) -> pd.DataFrame:
    """Return ``oos_returns``: a row per session, the benchmarks after costs beside the strategy."""
    import pandas as pd

    columns = {name: getattr(strategy, name) for name in ("net", "gross", "cost", "turnover")}
    pools = {name: found.net for name, found in benchmarks.items()}
    return pd.DataFrame(columns | pools, index=pd.DatetimeIndex(sessions, name="date"))


def _weights_over_time(market: Market, made: Portfolios, lag: int) -> pd.DataFrame:
    """Return ``oos_weights``: date traded, date decided, symbol and weight of each target that is not zero."""
    import pandas as pd

    which, name = np.nonzero(made.targets)
    return pd.DataFrame(
        {
            "date": pd.DatetimeIndex(market.quotes.sessions[made.positions[which] + lag]),
            "decided": pd.DatetimeIndex(market.quotes.sessions[made.positions[which]]),
            "symbol": np.array(list(market.quotes.names), dtype=object)[name],
            "weight": made.targets[which, name],
        }
    )


def _metrics(sessions: DateArray, strategy: Backtest, benchmarks: Mapping[str, Backtest], year: int) -> dict[str, Any]:
    """Return the figures of the strategy and its benchmarks."""
    span = {"start": str(sessions[0].astype("datetime64[D]")), "end": str(sessions[-1].astype("datetime64[D]"))}

    def block(found: Backtest) -> dict[str, Any]:
        traded = metrics.annual_turnover(found.turnover, year)
        return metrics.summarise(found.net, year) | {"turnover_annual": traded} | span

    return {
        "annualisation": year,
        "strategy": block(strategy),
        **{name: block(found) for name, found in benchmarks.items()},
    }


def _charged(market: Market, strategy: Backtest, rules: Rules) -> dict[str, Any]:
    """Return what any name costs, how many have costs of their own where some do, and what costs took."""
    own = market.quotes.own
    return {
        **rules.validation.model_dump(include=set(CostsConfig.model_fields)),
        **({"own_costs": len(own), "default_costs": len(market.quotes.names) - len(own)} if own else {}),
        "cagr_drag": metrics.cost_drag(strategy.gross, strategy.net, rules.sessions),
        "wealth_lost": metrics.final_cost(strategy.cost),
    }
