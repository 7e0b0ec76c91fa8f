"""What it costs to trade names, to be short of them, and what cash earns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rates:
    """What N names cost, as fractions; a number holds for all of them.

    Attributes:
        trade: Of the amount traded, shape (N,).
        borrow: Of the amount that is short at the close before, in each session, shape (N,).
        cash: What money that is not invested earns in each session; what is owed pays as much.
    """

    trade: float | FloatArray = 0.0
    borrow: float | FloatArray = 0.0
    cash: float = 0.0

    @property
    def finance(self) -> bool:
        """Whether holding costs or earns anything."""
        return bool(np.any(self.borrow)) or self.cash != 0.0

    def unfinanced(self) -> Rates:
        """Return the same rates for a span in which no time passes."""
        return replace(self, borrow=0.0, cash=0.0)

    def of_trade(self, change: FloatArray) -> float:
        """Return what changes of weight cost, as a fraction of wealth.

        Args:
            change: Signed changes of weight, shape (N,).
        """
        amount = np.abs(change)
        return float((amount * self.trade).sum() if np.ndim(self.trade) else amount.sum() * self.trade)

    def held(self, weights: FloatArray, growth: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what cash has come to after each of S sessions, and what was paid to borrow in each.

        Args:
            weights: Signed weights at the start, shape (N,); cash is what they leave of 1.
            growth: What a unit of each name has grown to after each session, shape (N, S).

        Returns:
            The change of cash since the start, and the fees, both fractions of the wealth at the start, shape (S,).
        """
        before = np.concatenate([np.ones((len(weights), 1)), growth[:, :-1]], axis=1)[:, : growth.shape[1]]
        short = np.maximum(-(weights[:, None] * before), 0.0)
        fees = np.broadcast_to(self.borrow, weights.shape) @ short
        grown = np.cumprod(np.full(growth.shape[1], 1.0 + self.cash))
        start = 1.0 - float(weights.sum())
        return grown * (start - np.cumsum(fees / grown)) - start, fees

    def rows(self, which: npt.NDArray[np.int64]) -> Rates:
        """Return the rates of some of the names."""
        trade, borrow = (rate[which] if isinstance(rate, np.ndarray) else rate for rate in (self.trade, self.borrow))
        return Rates(trade, borrow, self.cash)


FREE = Rates()


@dataclass(frozen=True)
class Cost:
    """What is known of one name's costs; None where it costs what any name does.

    Attributes:
        cost_bps: Commission and impact of a trade, in place of commission and slippage; basis points of its amount.
        spread_bps: Quoted spread, in basis points of the price: half of it is paid by each trade, in place of slippage.
        borrow_bps: Fee to borrow it, basis points of the amount short, per year.
    """

    cost_bps: float | None = None
    spread_bps: float | None = None
    borrow_bps: float | None = None


@dataclass(frozen=True)
class Costs:
    """The costs of a market, by name.

    Attributes:
        commission_bps: Commission, in basis points of the amount traded.
        slippage_bps: Half spread and impact, likewise.
        borrow_bps: Fee to borrow a name that is short, basis points of the amount, per year.
        cash_rate: What cash earns per year, a fraction.
        sessions: Sessions per year.
        own: Costs of single names.
    """

    commission_bps: float = 0.0
    slippage_bps: float = 0.0
    borrow_bps: float = 0.0
    cash_rate: float = 0.0
    sessions: int = 252
    own: Mapping[str, Cost] = field(default_factory=dict)

    def rates(self, names: Sequence[str]) -> Rates:
        """Return the rates of some names: numbers where no name has costs of its own, else arrays of shape (N,)."""
        cash = self.cash_rate / self.sessions
        if not any(name in self.own for name in names):
            return Rates(self._trade_bps(Cost()) * 1e-4, self._borrow_bps(Cost()) * 1e-4 / self.sessions, cash)
        each = [self.own.get(name, Cost()) for name in names]
        trade, borrow = (np.array([bps(cost) for cost in each]) * 1e-4 for bps in (self._trade_bps, self._borrow_bps))
        return Rates(trade, borrow / self.sessions, cash)

    def _trade_bps(self, own: Cost) -> float:
        if own.spread_bps is not None:
            return (self.commission_bps if own.cost_bps is None else own.cost_bps) + own.spread_bps / 2.0
        return self.commission_bps + self.slippage_bps if own.cost_bps is None else own.cost_bps

    def _borrow_bps(self, own: Cost) -> float:
        return self.borrow_bps if own.borrow_bps is None else own.borrow_bps
