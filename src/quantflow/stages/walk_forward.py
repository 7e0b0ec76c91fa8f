"""What walk-forwards share: when they trade, what they decided, and how streams and figures are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantflow.config.sections import CalendarConfig, ValidationConfig
from quantflow.errors import DataError, InfeasibleError

if TYPE_CHECKING:
    import pandas as pd

    from quantflow.quant.backtest import Backtest, DateArray, FloatArray, IntArray


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
    from quantflow.quant.backtest import period_ends

    ends = period_ends(sessions, config.rebalance)
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
    import numpy as np

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


def stream(sessions: DateArray, strategy: Backtest, benchmark: Backtest) -> pd.DataFrame:
    """Return ``oos_returns``: a row per session, the benchmark before costs beside the strategy."""
    import pandas as pd

    columns = {name: getattr(strategy, name) for name in ("net", "gross", "cost", "turnover")}
    return pd.DataFrame(columns | {"equal_weight": benchmark.gross}, index=pd.DatetimeIndex(sessions, name="date"))


def weights_over_time(names: Sequence[str], sessions: DateArray, made: Rebalances) -> pd.DataFrame:
    """Return ``oos_weights``: date, symbol and weight of each target that is not zero."""
    import numpy as np
    import pandas as pd

    which, name = np.nonzero(made.targets)
    return pd.DataFrame(
        {
            "date": pd.DatetimeIndex(sessions[made.positions[which]]),
            "symbol": np.array(names, dtype=object)[name],
            "weight": made.targets[which, name],
        }
    )


def metrics(
    sessions: DateArray, strategy: Backtest, benchmark: Backtest, config: ValidationConfig, calendar: CalendarConfig
) -> dict[str, Any]:
    """Return the figures of the strategy and its benchmark, and what trading cost."""
    from quantflow.quant import metrics

    year = calendar.annualisation
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
