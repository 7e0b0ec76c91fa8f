"""What the walk-forwards share: when they trade, what they decided, and what came of it, as artifacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.sections import WalkForwardConfig
from quantflow.errors import DataError, InfeasibleError
from quantflow.quant import metrics
from quantflow.quant.backtest import Backtest, DateArray, FloatArray, IntArray, decision_sessions, simulate
from quantflow.types import Record

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Market:
    """What a walk-forward trades, N of them over T sessions.

    Attributes:
        names: Symbols or sleeves.
        sessions: All sessions, ``datetime64[D]``, increasing.
        returns: Of each session, shape (N, T).
        equal: The benchmark's targets at each scheduled session, shape (K, N).
        benchmark: The name that is held instead as a second benchmark; None for none.
    """

    names: Sequence[str]
    sessions: DateArray
    returns: FloatArray
    equal: FloatArray
    benchmark: str | None = None


@dataclass(frozen=True, eq=False)
class Decision:
    """What was decided at the close of one session.

    Attributes:
        weights: Signed weights, shape (N,).
        method: The allocation method that gave them; empty when that is not known (stages of other packages).
        level: The highest relaxation level of a winner; None without a policy.
        reason: Why the method that is configured gave none; None when it did.
    """

    weights: FloatArray
    method: str = ""
    level: int | None = None
    reason: str | None = None

    @classmethod
    def of(cls, weights: FloatArray, allocation: Record | None, level: int | None = None) -> Decision:
        """Return a decision with the method and reason that an ``allocation`` record has."""
        record = allocation or {}
        used, configured = record.get("used", ""), record.get("method", "")
        fell = used != configured
        return cls(weights, used, level, (record.get("infeasible_because") or "no reason recorded") if fell else None)


@dataclass(frozen=True, eq=False)
class Rebalances:
    """What was decided at each rebalance.

    Attributes:
        decisions: By session, in order: those that gave weights.
        scheduled: Sessions that were to trade, as positions, increasing.
        positions: Sessions that trade.
        targets: Signed weights to which they trade, shape (K, N).
        held: Sessions on which no portfolio was feasible, with the reason; the portfolio was left alone.
    """

    scheduled: IntArray
    positions: IntArray
    targets: FloatArray
    held: tuple[tuple[str, str], ...]
    decisions: Mapping[str, Decision]

    @property
    def account(self) -> dict[str, Any]:
        """How many rebalances were scheduled and traded, how (``methods``, ``levels``), and which as a fallback.

        ``fallbacks`` are those that another method decided, ``held`` those without weights, each with its reason.
        """
        held = [{"date": date, "reason": reason} for date, reason in self.held]
        made = self.decisions.values()
        return {
            "scheduled": len(self.scheduled),
            "traded": len(self.scheduled) - len(held),
            "held": held,
            "methods": dict(sorted(Counter(one.method for one in made if one.method).items())),
            "levels": dict(sorted(Counter(str(one.level) for one in made if one.level is not None).items())),
            "fallbacks": [
                {"date": date, "method": one.method, "reason": one.reason}
                for date, one in self.decisions.items()
                if one.reason is not None
            ],
        }


def schedule(sessions: DateArray, config: WalkForwardConfig, what: str) -> IntArray:
    """Return the positions of the sessions to rebalance on.

    Args:
        sessions: All sessions, ``datetime64[D]``, increasing.
        config: How often, and how many sessions come first.
        what: What has the sessions, for the error.

    Raises:
        DataError: If the history is too short for a single rebalance.
    """
    ends = decision_sessions(sessions, config.rebalance)
    scheduled = ends[ends >= config.min_history - 1]
    if not len(scheduled):
        raise DataError(
            f"The {what} have {len(sessions)} sessions: no {config.rebalance} rebalance comes after the first "
            f"{config.min_history}.",
            hint="Give more history (data.start), or lower validation.min_history.",
        )
    return scheduled


def decide_all(sessions: DateArray, scheduled: IntArray, names: int, decide: Callable[[int], Decision]) -> Rebalances:
    """Return what *decide* gives at each scheduled session, in the order of time.

    Where no portfolio is feasible the one before is kept: cash when there is none.

    Args:
        sessions: All sessions.
        scheduled: Positions of those to rebalance on.
        names: N.
        decide: Given a position, returns what is decided there, or raises InfeasibleError.
    """
    decisions: dict[str, Decision] = {}
    positions: list[int] = []
    targets: list[FloatArray] = []
    held: list[tuple[str, str]] = []
    for position in scheduled.tolist():
        try:
            decisions[str(sessions[position])] = made = decide(position)
            target = made.weights
        except InfeasibleError as error:
            held.append((str(sessions[position]), error.message))
            if positions:
                continue
            target = np.zeros(names)
        positions.append(position)
        targets.append(target)
    return Rebalances(scheduled, np.array(positions), np.stack(targets), tuple(held), decisions)


def proof(market: Market, made: Rebalances, config: WalkForwardConfig, year: int) -> dict[str, Any]:
    """Return ``oos_returns``, ``oos_weights`` and ``metrics`` of what was decided.

    Args:
        market: What is traded.
        made: The decisions.
        config: What trading costs. The benchmark is shown before costs.
        year: Sessions per year.
    """
    strategy = simulate(market.returns, made.positions, made.targets, config.commission_bps + config.slippage_bps)
    benchmark = simulate(market.returns, made.scheduled, market.equal)
    shown = market.sessions[made.scheduled[0] :]
    stream = _stream(shown, strategy, benchmark)
    figures = _metrics(shown, strategy, benchmark, config, year) | {"rebalances": made.account}
    if market.benchmark is not None:
        stream["benchmark"] = held = _held(market, market.benchmark, int(made.scheduled[0]))
        beside = {
            "symbol": market.benchmark,
            **metrics.summarise(held, year),
            **metrics.against(strategy.net, held, year),
        }
        figures["benchmark"] = {**beside, "start": figures["strategy"]["start"], "end": figures["strategy"]["end"]}
    return {"oos_returns": stream, "oos_weights": _weights_over_time(market, made), "metrics": figures}


def _held(market: Market, name: str, first: int) -> FloatArray:
    """Return what a name earns that is held from the close of a session on, before costs."""
    if name not in market.names:
        raise DataError(
            f"validation.benchmark {name!r} has no prices in this run.",
            hint="Name a symbol of the universe that passes the data checks.",
        )
    row = market.returns[list(market.names).index(name)]
    if not np.isfinite(row[first : first + 1]).all():
        raise DataError(
            f"validation.benchmark {name!r} has no price before the first rebalance, {market.sessions[first]}.",
            hint="Choose one with a longer history, or raise validation.min_history.",
        )
    return simulate(row[None, :], np.array([first]), np.ones((1, 1))).gross


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


def _stream(sessions: DateArray, strategy: Backtest, benchmark: Backtest) -> pd.DataFrame:
    """Return ``oos_returns``: a row per session, the benchmark before costs beside the strategy."""
    import pandas as pd

    columns = {name: getattr(strategy, name) for name in ("net", "gross", "cost", "turnover")}
    return pd.DataFrame(columns | {"equal_weight": benchmark.gross}, index=pd.DatetimeIndex(sessions, name="date"))


def _weights_over_time(market: Market, made: Rebalances) -> pd.DataFrame:
    """Return ``oos_weights``: date, symbol and weight of each target that is not zero."""
    import pandas as pd

    which, name = np.nonzero(made.targets)
    return pd.DataFrame(
        {
            "date": pd.DatetimeIndex(market.sessions[made.positions[which]]),
            "symbol": np.array(list(market.names), dtype=object)[name],
            "weight": made.targets[which, name],
        }
    )


def _metrics(
    sessions: DateArray, strategy: Backtest, benchmark: Backtest, config: WalkForwardConfig, year: int
) -> dict[str, Any]:
    """Return the figures of the strategy and its benchmark, and what trading cost."""
    span = {"start": str(sessions[0].astype("datetime64[D]")), "end": str(sessions[-1].astype("datetime64[D]"))}

    def block(returns: FloatArray, turnover: FloatArray) -> dict[str, Any]:
        traded = metrics.annual_turnover(turnover, year)
        return metrics.summarise(returns, year) | {"turnover_annual": traded} | span

    return {
        "annualisation": year,
        "strategy": block(strategy.net, strategy.turnover),
        "equal_weight": block(benchmark.gross, benchmark.turnover),
        "costs": {
            "commission_bps": config.commission_bps,
            "slippage_bps": config.slippage_bps,
            "cagr_drag": metrics.cost_drag(strategy.gross, strategy.net, year),
            "wealth_lost": metrics.final_cost(strategy.cost),
        },
    }
