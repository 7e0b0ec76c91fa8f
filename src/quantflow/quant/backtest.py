"""A portfolio over time: held with drift between rebalances, costs paid when it trades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantflow.errors import DataError
from quantflow.quant.costs import FREE, Rates

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
DateArray = npt.NDArray[np.datetime64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Backtest:
    """What a portfolio earned in each session, from the first rebalance session to the last session, shape (S,).

    Attributes:
        gross: Simple return before costs, interest on cash included; 0 in the first session, whose close is the entry.
        net: Simple return after costs: (1 + gross) (1 - cost) - 1.
        cost: Cost of the session's trades and of borrowing shorts, as a fraction of wealth at that close before
            either is paid.
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


def decision_sessions(sessions: DateArray, every: str | int) -> IntArray:
    """Return the positions of the sessions at whose close a portfolio is decided.

    The last session of the grid ends no week, month or quarter: whether its period is over is not known yet.

    Args:
        sessions: Dates, ``datetime64[D]``, increasing, shape (T,).
        every: ``daily``; ``weekly`` (Monday to Sunday), ``monthly`` or ``quarterly`` for the last session of each; or
            a number of sessions from one decision to the next, the first of the grid being one.
    """
    if every == "daily":
        return np.arange(len(sessions))
    if isinstance(every, int):
        return np.arange(0, len(sessions), every)
    if every == "weekly":
        period = (sessions.astype("datetime64[D]").astype(np.int64) + 3) // 7
    else:
        period = sessions.astype("datetime64[M]").astype(np.int64) // {"monthly": 1, "quarterly": 3}[every]
    return np.flatnonzero(period[1:] != period[:-1])


class Simulation:
    """A portfolio moved through time: units held between trades, so that weights drift; costs paid out of wealth.

    It trades at closes and earns from the next session on. Wealth that is not invested, and the proceeds of shorts,
    are cash and earn its rate; shorts pay the borrowing rate. A name without a return earns 0 until the next trade. A
    portfolio whose wealth is gone is closed at a return of -1 and stays at 0.

    Args:
        returns: Simple returns of N names, shape (N, T), oldest first.
        rates: What trading and holding them costs.
        held: Weights at the close before the first session, shape (N,); the portfolio begins with its first trade when
            None.

    Raises:
        DataError: If a return is below -1.
    """

    def __init__(self, returns: FloatArray, rates: Rates = FREE, held: FloatArray | None = None) -> None:
        if bool((returns < -1.0).any()):
            raise DataError("A simple return is below -100 %.")
        self._returns, self._rates = returns, rates
        self._weights = np.zeros(returns.shape[0]) if held is None else held
        self._gross, self._turnover, self._paid, self._fees = (np.zeros(returns.shape[1]) for _ in range(4))
        self._first: int | None = None if held is None else 0
        self._last = -1
        self._gone = False

    def drifted(self, position: int) -> FloatArray:
        """Return the weights held at the close of a session, before any trade there, shape (N,); zeros at first.

        Raises:
            DataError: If the portfolio has traded later than that.
        """
        if position < self._last:
            raise DataError(f"The portfolio has traded at session {self._last} already.")
        return self._path(position)[2]

    def trade(self, position: int, target: FloatArray, tradable: BoolArray | None = None) -> None:
        """Trade to a target at the close of a session.

        A name that cannot be traded there keeps the weight that it has drifted to; the others give way where all
        together would be more than the target's gross weight.

        Args:
            position: The session, later than that of the trade before.
            target: Signed weights as fractions of wealth, finite, shape (N,).
            tradable: Which names have a price there, shape (N,); all when None.

        Raises:
            DataError: If the session is none, or not later; the target does not fit; or a trade costs all wealth.
        """
        names, sessions = self._returns.shape
        if not self._last < position < sessions:
            raise DataError(f"Session {position} is not one of the {sessions} after session {self._last}.")
        if target.shape != (names,) or not np.isfinite(target).all():
            raise DataError(f"A target has shape {target.shape} or is not finite; ({names},) is needed.")
        path, fees, held = self._path(position)
        self._gross[self._last + 1 : position + 1], self._fees[self._last + 1 : position + 1] = path, fees
        self._gone = self._gone or bool((path <= -1.0).any())
        self._first = position if self._first is None else self._first
        self._last = position
        if self._gone:
            self._weights = np.zeros(names)
            return
        self._weights = target if tradable is None else reachable(target, held, tradable)
        change = self._weights - held
        self._turnover[position] = np.abs(change).sum()
        self._paid[position] = self._rates.of_trade(change)
        if self._paid[position] >= 1.0:
            raise DataError(
                "A rebalance costs all wealth.",
                hint="Check validation.commission_bps, slippage_bps, costs; and the budget.",
            )

    def result(self) -> Backtest:
        """Hold to the last session; return the returns from the first trade on.

        Raises:
            DataError: If nothing was traded.
        """
        if self._first is None:
            raise DataError("There is no rebalance.")
        gross, fees, since = self._gross.copy(), self._fees.copy(), self._last + 1
        gross[since:], fees[since:], _ = self._path(len(gross) - 1)
        gross, fees, paid, turnover = (each[self._first :] for each in (gross, fees, self._paid, self._turnover))
        cost = fees + paid - fees * paid
        return Backtest(gross, (1.0 + gross) * (1.0 - cost) - 1.0, cost, turnover)

    def _path(self, position: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return gross returns and fees since the last trade up to a session, and the weights drifted to by then."""
        if self._first is None or self._gone:  # no wealth is invested
            return np.zeros(position - self._last), np.zeros(position - self._last), np.zeros(self._returns.shape[0])
        return _hold(self._returns[:, self._last + 1 : position + 1], self._weights, self._rates)


def reachable(target: FloatArray, held: FloatArray, tradable: BoolArray) -> FloatArray:
    """Return the weights that trading to *target* leads to, shape (N,).

    A name that cannot be traded keeps what is held; the others give way where all together would be more than the
    target's gross weight.

    Args:
        target: Signed weights, shape (N,).
        held: Weights before the trade, shape (N,).
        tradable: Which names can be traded, shape (N,).
    """
    kept, wanted = np.where(tradable, 0.0, held), np.where(tradable, target, 0.0)
    room = max(0.0, float(np.abs(target).sum() - np.abs(kept).sum()))
    gross = float(np.abs(wanted).sum())
    return kept + (wanted * (room / gross) if gross > room and bool(kept.any()) else wanted)


def simulate(
    returns: FloatArray,
    rebalances: IntArray,
    targets: FloatArray,
    rates: Rates = FREE,
    tradable: BoolArray | None = None,
) -> Backtest:
    """Return what a portfolio earns that is set to its targets at the rebalances, as ``Simulation`` describes.

    Args:
        returns: Simple returns of N names, shape (N, T), oldest first.
        rebalances: K increasing positions in 0..T-1.
        targets: Signed weights as fractions of wealth, shape (K, N), finite.
        rates: What trading and holding the names costs.
        tradable: Where there is a price to trade at, shape (N, T); everywhere when None.

    Raises:
        DataError: If shapes do not fit, or a return is below -1.
    """
    if len(targets) != len(rebalances):
        raise DataError(f"There are {len(targets)} targets for {len(rebalances)} rebalances.")
    walk = Simulation(returns, rates)
    for position, target in zip(rebalances.tolist(), targets, strict=True):
        walk.trade(position, target, None if tradable is None else tradable[:, position])
    return walk.result()


def _hold(returns: FloatArray, target: FloatArray, rates: Rates) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return gross returns over one holding period, fees as fractions of wealth, and the weights drifted to."""
    names = np.flatnonzero(target)
    growth = np.cumprod(1.0 + np.nan_to_num(returns[names], nan=0.0), axis=1)
    wealth = np.concatenate([[1.0], 1.0 + target[names] @ (growth - 1.0)])
    fees = np.zeros(len(wealth) - 1)
    if rates.finance:
        earned, fees = rates.rows(names).held(target[names], np.asarray(growth, dtype=np.float64))
        wealth[1:] += earned
    held = np.zeros_like(target)
    if bool((wealth <= 0.0).any()):
        gone = int(np.argmax(wealth <= 0.0))
        before, after, paid = wealth[: gone - 1], wealth[1:gone], np.zeros_like(fees)
        path = np.zeros_like(fees)
        path[: gone - 1] = (after + fees[: gone - 1]) / before - 1.0
        paid[: gone - 1] = fees[: gone - 1] / (after + fees[: gone - 1])
        path[gone - 1] = -1.0
        return path, paid, held
    held[names] = target[names] * (growth[:, -1] if growth.shape[1] else 1.0) / wealth[-1]
    before_fees = wealth[1:] + fees
    return before_fees / wealth[:-1] - 1.0, fees / before_fees, held


def equal_weights(alive: npt.NDArray[np.bool_]) -> FloatArray:
    """Return 1/n for each of the n names alive, row by row; a row with none is all cash.

    Args:
        alive: Which names can be held, shape (K, N).
    """
    count = alive.sum(axis=1, keepdims=True)
    return np.where(alive, 1.0 / np.maximum(count, 1), 0.0)
