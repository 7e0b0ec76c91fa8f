"""The nested walk-forward: at each rebalance the trial is held that was best by what was known then."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantflow.data.quotes import Quotes
from quantflow.errors import ConfigError, DataError
from quantflow.quant import metrics
from quantflow.quant.backtest import Backtest
from quantflow.quant.research.nested import chosen
from quantflow.stages.sweep.trials import Trials
from quantflow.stages.walk_forward import Market, Rules
from quantflow.types import Json

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

COMMON = ("prices", "past", "roster", "instruments")
"""What all trials must have alike."""
COLUMNS = ("net", "gross", "cost", "turnover", "trial")


def nested(
    trials: Trials, weights: Mapping[int, pd.DataFrame], quotes: Quotes, rules: Rules
) -> tuple[pd.DataFrame, Json]:
    """Return the stream of a walk-forward that chooses among trials, and its figures.

    At the close of each rebalance the trial with the highest Sharpe ratio of its returns so far is chosen; what it
    decided then is traded the lag later, from what was held before, and pays for it. There is no choice until trials
    have a quarter of a year of returns. Choice and weights know nothing that came later.

    Args:
        trials: The trials.
        weights: ``oos_weights`` of each trial that succeeded, by its number.
        quotes: What all of them trade.
        rules: How decisions become trades.

    Raises:
        DataError: If no rebalance leaves time for a choice.
    """
    import pandas as pd

    numbers = list(trials.streams)
    decided = _decided(weights, quotes)
    at = np.searchsorted(trials.sessions.to_numpy().astype("datetime64[D]"), quotes.sessions[decided], side="right") - 1
    decided, at = decided[at > 0], at[at > 0]
    choice = chosen(trials.net, at, first=0) if len(at) else np.empty(0, dtype=np.int64)
    made = (choice >= 0) & (decided + rules.rebalance.lag < len(quotes.sessions))
    if not made.any():
        raise DataError("No rebalance comes late enough to choose among trials by what was known then.")
    decided, choice = decided[made], choice[made]
    targets = np.stack(
        [_held(weights[numbers[k]], quotes, position) for k, position in zip(choice, decided, strict=True)]
    )
    earned = Market(quotes, targets).earned(decided, targets, rules, rules.rebalance.lag)
    begin = int(decided[0]) + rules.rebalance.lag
    held = [numbers[k] for k in choice]
    stream = pd.DataFrame(
        {name: getattr(earned, name) for name in COLUMNS[:-1]}
        | {"trial": _per_session(decided + rules.rebalance.lag, held, begin, len(quotes.sessions))},
        index=pd.DatetimeIndex(quotes.sessions[begin:], name="date"),
    )
    return stream, _figures(earned, stream, held, rules.sessions)


def empty() -> pd.DataFrame:
    """Return the stream of a sweep without a nested walk-forward."""
    import pandas as pd

    index = pd.DatetimeIndex([], name="date")
    return pd.DataFrame({name: np.empty(0, dtype=np.float64) for name in COLUMNS}, index=index)


def refuse_unlike(variants: list[Mapping[str, Any]]) -> None:
    """Refuse trials that do not trade the same names on the same data.

    Raises:
        ConfigError: Naming what differs.
    """
    for name in COMMON:
        if len({each["outputs"][name]["sha256"] for each in variants if each["state"] == "completed"}) > 1:
            raise ConfigError(
                f"A nested walk-forward needs trials on the same data; their {name} differ.",
                hint="Vary settings of scores, clusters, policy or allocation, or leave out --nested.",
            )


def _decided(weights: Mapping[int, pd.DataFrame], quotes: Quotes) -> IntArray:
    """Return the positions of all sessions on which a trial decided, increasing."""
    days = np.unique(
        np.concatenate([frame["decided"].to_numpy().astype("datetime64[D]") for frame in weights.values()])
    )
    return np.searchsorted(quotes.sessions, days).astype(np.int64)


def _held(weights: pd.DataFrame, quotes: Quotes, position: int) -> FloatArray:
    """Return what a trial had decided by a session, shape (N,); nothing before its first decision."""
    days = weights["decided"].to_numpy().astype("datetime64[D]")
    before = days[days <= quotes.sessions[position]]
    target = np.zeros(len(quotes.names))
    if len(before):
        rows = weights[days == before.max()]
        row = {symbol: i for i, symbol in enumerate(quotes.names)}
        target[[row[symbol] for symbol in rows["symbol"]]] = rows["weight"].to_numpy(float)
    return target


def _per_session(traded: IntArray, held: list[int], begin: int, sessions: int) -> FloatArray:
    places = np.searchsorted(traded, np.arange(begin, sessions), side="right") - 1
    return np.asarray(held, dtype=np.float64)[places]


def _figures(earned: Backtest, stream: pd.DataFrame, held: list[int], year: int) -> Json:
    changes = sum(before != after for before, after in pairwise(held))
    span = {"start": str(stream.index[0].date()), "end": str(stream.index[-1].date())}
    traded = metrics.annual_turnover(earned.turnover, year)
    whole = metrics.summarise(earned.net, year)
    return {**whole, "turnover_annual": traded, **span, "choices": len(held), "changes": changes, "chosen": held}
