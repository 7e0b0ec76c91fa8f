"""What each name contributed to a portfolio's return, in money that adds up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantflow.quant.backtest import reachable

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Contributions:
    """Gains of each name in each session, where capital is 1 at the start; their sum with the rest is the growth.

    Attributes:
        names: Gain of each of N names in each of S sessions, before costs, shape (N, S).
        held: Weight of each name at the close of each session, after what traded there, shape (N, S).
        cost: What trades and borrowing took, <= 0, shape (S,).
        rest: What no name earned, shape (S,): interest on cash, or on what is owed.
        wealth: Capital at the close of each session, shape (S,).
    """

    names: FloatArray
    held: FloatArray
    cost: FloatArray
    rest: FloatArray
    wealth: FloatArray

    @property
    def before(self) -> FloatArray:
        """Capital before each session, shape (S,)."""
        return np.concatenate([[1.0], self.wealth[:-1]])


def contributions(
    returns: FloatArray,
    gross: FloatArray,
    cost: FloatArray,
    trades: IntArray,
    targets: FloatArray,
    tradable: BoolArray | None = None,
) -> Contributions:
    """Return what each name contributed to the stream of a backtest.

    A name's gain in a session is the money in it at the close before, times its return. Money in a name is what its
    last trade put there, drifted since. A name that cannot be traded keeps the weight that it has drifted to.

    Args:
        returns: Simple returns of N names, shape (N, S), the first session being the first trade's; NaN counts as 0.
        gross: The portfolio's simple return before costs in each session, shape (S,).
        cost: Its cost in each session, as a fraction of wealth before it is paid, shape (S,).
        trades: K increasing positions of sessions that trade.
        targets: Signed weights, shape (K, N).
        tradable: Where there is a price to trade at, shape (N, S); everywhere when None.
    """
    moves = np.nan_to_num(returns)
    wealth = np.asarray(np.cumprod((1.0 + gross) * (1.0 - cost)), dtype=np.float64)
    before = np.concatenate([[1.0], wealth[:-1]])
    gains, money = np.zeros(moves.shape), np.zeros(moves.shape)
    ends = [*trades[1:].tolist(), moves.shape[1] - 1]
    for at, end, target in zip(trades.tolist(), ends, targets, strict=True):
        worth = before[at] * (1.0 + gross[at])
        held = money[:, at] / worth if worth > 0.0 else np.zeros(len(target))
        able = np.ones(len(target), dtype=bool) if tradable is None else tradable[:, at]
        placed = reachable(target, held, able) * wealth[at]
        path = placed[:, None] * np.cumprod(1.0 + moves[:, at + 1 : end + 1], axis=1)
        gains[:, at + 1 : end + 1] = np.diff(np.concatenate([placed[:, None], path], axis=1), axis=1)
        money[:, at], money[:, at + 1 : end + 1] = placed, path
    rest = np.asarray(before * gross - gains.sum(axis=0), dtype=np.float64)
    paid = np.asarray(-before * (1.0 + gross) * cost, dtype=np.float64)
    weights = np.zeros_like(money)
    np.divide(money, wealth, out=weights, where=wealth > 0.0)
    return Contributions(gains, weights, paid, rest, wealth)
