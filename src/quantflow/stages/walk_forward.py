"""What the walk-forwards share: when they trade, what they decided, and what came of it, as artifacts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.sections import ValidationConfig
from quantflow.errors import DataError, InfeasibleError
from quantflow.quant import metrics
from quantflow.quant.backtest import Backtest, DateArray, FloatArray, IntArray, decision_sessions, simulate

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
    """

    names: Sequence[str]
    sessions: DateArray
    returns: FloatArray
    equal: FloatArray


@dataclass(frozen=True, eq=False)
class Rebalances:
    """What was decided at each rebalance.

    Attributes:
        scheduled: Sessions that were to trade, as positions, increasing.
        positions: Sessions that trade.
        targets: Signed weights to which they trade, shape (K, N).
        held: Sessions on which no portfolio was feasible, with the reason; the portfolio was left alone.
    """

    scheduled: IntArray
    positions: IntArray
    targets: FloatArray
    held: tuple[tuple[str, str], ...]

    @property
    def account(self) -> dict[str, Any]:
        """How many rebalances were scheduled and traded, and which were not, with the reason."""
        held = [{"date": date, "reason": reason} for date, reason in self.held]
        return {"scheduled": len(self.scheduled), "traded": len(self.scheduled) - len(held), "held": held}


def schedule(sessions: DateArray, config: ValidationConfig, what: str) -> IntArray:
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


def decide_all(sessions: DateArray, scheduled: IntArray, names: int, decide: Callable[[int], FloatArray]) -> Rebalances:
    """Return what *decide* gives at each scheduled session, in the order of time.

    Where no portfolio is feasible the one before is kept: cash when there is none.

    Args:
        sessions: All sessions.
        scheduled: Positions of those to rebalance on.
        names: N.
        decide: Given a position, returns signed weights, shape (N,), or raises InfeasibleError.
    """
    positions: list[int] = []
    targets: list[FloatArray] = []
    held: list[tuple[str, str]] = []
    for position in scheduled.tolist():
        try:
            target = decide(position)
        except InfeasibleError as error:
            held.append((str(sessions[position]), error.message))
            if positions:
                continue
            target = np.zeros(names)
        positions.append(position)
        targets.append(target)
    return Rebalances(scheduled, np.array(positions), np.stack(targets), tuple(held))


def proof(market: Market, made: Rebalances, config: ValidationConfig, year: int) -> dict[str, Any]:
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
    return {
        "oos_returns": _stream(shown, strategy, benchmark),
        "oos_weights": _weights_over_time(market, made),
        "metrics": _metrics(shown, strategy, benchmark, config, year) | {"rebalances": made.account},
    }


def summarised(figures: Any) -> tuple[str, bool]:
    """Return the Sharpe ratio and the rebalances of ``metrics`` in words, and whether one was not made as asked."""
    sharpe, done = figures["strategy"]["sharpe"], figures["rebalances"]
    held, fell = len(done["held"]), len(done.get("fallbacks", ()))
    low, high = (figures["strategy"].get(name) for name in ("sharpe_low", "sharpe_high"))
    note = f"Sharpe {'n/a' if sharpe is None else f'{sharpe:.2f} (95%: {low:.2f} to {high:.2f})'}"
    note += f", {done['traded']} rebalances"
    note += f", {held} not feasible" if held else ""
    note += f", {fell} by a fallback" if fell else ""
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
    sessions: DateArray, strategy: Backtest, benchmark: Backtest, config: ValidationConfig, year: int
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
