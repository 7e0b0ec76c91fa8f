"""A portfolio over time: held with drift between rebalances, costs paid when it trades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantflow.errors import DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
DateArray = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Backtest:
    """What a portfolio earned in each session, from the first rebalance session to the last session, shape (S,).

    Attributes:
        gross: Simple return before costs; 0 in the first session, whose close is the entry.
        net: Simple return after costs: (1 + gross) (1 - cost) - 1.
        cost: Cost of the session's trades, as a fraction of wealth at that close before trading.
        turnover: Sum of |target weight - drifted weight| traded at that close; 0 where nothing trades.
    """

    gross: FloatArray
    net: FloatArray
    cost: FloatArray
    turnover: FloatArray


def carried_returns(close: FloatArray) -> FloatArray:
    """Return simple returns of prices carried over holes, shape (N, T).

    A session without a price returns 0, and the next price brings the whole move: what a holder who marks to the
    last price sees. After the last price all returns are 0; before the second price they are NaN.

    Args:
        close: Prices, shape (N, T), oldest first; NaN is a hole.
    """
    seen = np.where(np.isfinite(close), np.arange(close.shape[1]), 0)
    carried = np.take_along_axis(close, np.maximum.accumulate(seen, axis=1), axis=1)
    out = np.full_like(close, np.nan)
    out[:, 1:] = carried[:, 1:] / carried[:, :-1] - 1.0
    return out


def period_ends(sessions: DateArray, rebalance: str) -> IntArray:
    """Return the positions of the last session of each week (Monday to Sunday), month or quarter.

    The last session of the grid is never one: whether its period is over is not known yet.

    Args:
        sessions: Dates, ``datetime64[D]``, increasing, shape (T,).
        rebalance: ``weekly``, ``monthly`` or ``quarterly``.
    """
    if rebalance == "weekly":
        period = (sessions.astype("datetime64[D]").astype(np.int64) + 3) // 7
    else:
        period = sessions.astype("datetime64[M]").astype(np.int64) // {"monthly": 1, "quarterly": 3}[rebalance]
    return np.flatnonzero(period[1:] != period[:-1])


def simulate(returns: FloatArray, rebalances: IntArray, targets: FloatArray, cost_bps: float = 0.0) -> Backtest:
    """Return what a portfolio earns that is set to its targets at the rebalances and left alone in between.

    It trades at the close of a rebalance session and earns from the next session on. Between rebalances units are
    constant, so weights drift: a winner's grows, and so does the magnitude of a short whose price rises. What is not
    invested (also the proceeds of shorts) is cash that earns nothing. A name without a return earns 0 until the
    next rebalance. The cost is turnover x *cost_bps*, paid out of wealth. A portfolio whose wealth is gone is closed
    at a return of -1 and stays at 0.

    Args:
        returns: Simple returns of N names, shape (N, T), oldest first.
        rebalances: K increasing positions in 0..T-1.
        targets: Signed weights as fractions of wealth, shape (K, N), finite.
        cost_bps: Commission and slippage together, in basis points of the amount traded.

    Raises:
        DataError: If shapes do not fit, or a return is below -1.
    """
    _check(returns, rebalances, targets)
    start, stop = int(rebalances[0]), returns.shape[1]
    gross, cost, turnover = (np.zeros(stop - start) for _ in range(3))
    held = np.zeros(returns.shape[0])
    for first, last, target in zip(rebalances, [*rebalances[1:], stop - 1], targets, strict=True):
        turnover[first - start] = np.abs(target - held).sum()
        path, held = _hold(returns[:, first + 1 : last + 1], target)
        gross[first + 1 - start : last + 1 - start] = path
        if bool((path <= -1.0).any()):
            break
    cost = turnover * (cost_bps * 1e-4)
    if bool((cost >= 1.0).any()):
        raise DataError("A rebalance costs all wealth.", hint="Check commission_bps, slippage_bps and the budget.")
    return Backtest(gross, (1.0 + gross) * (1.0 - cost) - 1.0, cost, turnover)


def _hold(returns: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the portfolio's returns over one holding period, and the weights it has drifted to."""
    names = np.flatnonzero(target)
    growth = np.cumprod(1.0 + np.nan_to_num(returns[names], nan=0.0), axis=1)
    wealth = np.concatenate([[1.0], 1.0 + target[names] @ (growth - 1.0)])
    held = np.zeros_like(target)
    if bool((wealth <= 0.0).any()):
        gone = int(np.argmax(wealth <= 0.0))
        path = np.zeros(len(wealth) - 1)
        path[: gone - 1] = wealth[1:gone] / wealth[: gone - 1] - 1.0
        path[gone - 1] = -1.0
        return path, held
    held[names] = target[names] * (growth[:, -1] if growth.shape[1] else 1.0) / wealth[-1]
    return wealth[1:] / wealth[:-1] - 1.0, held


def _check(returns: FloatArray, rebalances: IntArray, targets: FloatArray) -> None:
    names, sessions = returns.shape
    if targets.shape != (len(rebalances), names) or not np.isfinite(targets).all():
        raise DataError(f"Targets are {targets.shape} or not finite; {(len(rebalances), names)} is needed.")
    if not len(rebalances) or bool((np.diff(rebalances) <= 0).any()):
        raise DataError("Rebalances are not increasing, or there is none.")
    if rebalances[0] < 0 or rebalances[-1] >= sessions:
        raise DataError(f"Rebalances lie outside the {sessions} sessions.")
    if bool((returns < -1.0).any()):
        raise DataError("A simple return is below -100 %.")


def equal_weights(alive: npt.NDArray[np.bool_]) -> FloatArray:
    """Return 1/n for each of the n names alive, row by row; a row with none is all cash.

    Args:
        alive: Which names can be held, shape (K, N).
    """
    count = alive.sum(axis=1, keepdims=True)
    return np.where(alive, 1.0 / np.maximum(count, 1), 0.0)
