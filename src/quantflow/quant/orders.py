"""What to trade so that an account comes to hold a book: in whole lots, not for less than a band, never on credit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

RULES: tuple[str, ...] = ("", "band", "lot", "min_notional", "cash")
"""Why a name is not traded though it is not at its target; ``Plan.rules`` are positions in it."""

_ROUNDS = 100
_ROUNDING = 1e-9
"""Lots that a quotient may be short of a whole number and still be it."""


@dataclass(frozen=True, eq=False)
class Rebalance:
    """An account of N names, and the book that it is to hold.

    Attributes:
        units: Units held, negative when short, shape (N,).
        prices: Money per unit, positive, shape (N,).
        cash: Money that is not invested, the proceeds of shorts among it.
        targets: Signed weights of the book, fractions of capital, shape (N,); 0 for a name that is to go.
        lots: Units are traded in multiples of these, positive, shape (N,).
        least: Smallest amount of an order, money, shape (N,); 0 for none.
        band: A name is left alone when |target - weight| is below this fraction of capital.
        rate: Cost of a trade as a fraction of its amount, one for all or shape (N,).
        capital: Money that the weights are fractions of; None for what the account is worth after the costs.
    """

    units: FloatArray
    prices: FloatArray
    cash: float
    targets: FloatArray
    lots: FloatArray
    least: FloatArray
    band: float = 0.0
    rate: float | FloatArray = 0.0
    capital: float | None = None

    @property
    def worth(self) -> float:
        """What the account is worth before any trade."""
        return self.cash + math.fsum(self.units * self.prices)

    def costs(self, trades: FloatArray) -> FloatArray:
        """Return what each trade costs, shape (N,)."""
        return self.rate * np.abs(trades) * self.prices

    def cash_after(self, trades: FloatArray) -> float:
        """Return the cash when *trades* (units, negative for sales, shape (N,)) are done and paid."""
        return self.cash - math.fsum(trades * self.prices) - math.fsum(self.costs(trades))

    def capital_after(self, cost: float) -> float:
        """Return the money that the weights are fractions of when *cost* is paid."""
        return self.worth - cost if self.capital is None else self.capital


@dataclass(frozen=True, eq=False)
class Plan:
    """What to trade, and how near the book it comes; all arrays have shape (N,).

    Attributes:
        trades: Units to buy, negative to sell, 0 for none.
        costs: What each trade costs.
        before: Weights now, fractions of the capital before costs.
        after: Weights after the trades, fractions of the capital after costs.
        cash: Cash after the trades.
        cut: Names that are bought as far as the cash goes, and no further.
        rules: For a name that is not traded though it is off its target, which of ``RULES`` keeps it.
        values: What was held against the rule's limit: a fraction of capital, units, an amount, an amount.
        limits: The rule's limit: the band, the lot, the smallest amount, the cash that is left.
    """

    trades: FloatArray
    costs: FloatArray
    before: FloatArray
    after: FloatArray
    cash: float
    cut: BoolArray
    rules: npt.NDArray[np.int64]
    values: FloatArray
    limits: FloatArray


def plan(book: Rebalance) -> Plan:
    """Return the trades that bring an account to a book, the whole costs of which it pays itself.

    A name that is to go is sold (or, when short, bought back) whole, whatever band, lot and smallest amount say. Any
    other trade is rounded to lots towards no trade. Sales come first; purchases that cash does not reach for are cut
    in proportion. Executing the trades at these prices and costs, and asking again, gives none.
    """
    trades, capital = _trades(book)
    wanted = _wanted(book, trades, capital)
    rules, values, limits = _kept(book, trades, wanted, capital)
    return Plan(
        trades=trades,
        costs=book.costs(trades),
        before=book.units * book.prices / book.capital_after(0.0),
        after=(book.units + trades) * book.prices / capital,
        cash=book.cash_after(trades),
        cut=(trades != 0) & (wanted != 0),
        rules=rules,
        values=values,
        limits=limits,
    )


def _trades(book: Rebalance) -> tuple[FloatArray, float]:
    """Return the trades, and the capital after their cost.

    How much may be bought depends on the cost, and that on what is bought. So a cost is anticipated, and then the
    trades are asked for again, as if they were done, until nothing more is wanted. That ends after few rounds, since
    each moves the capital by no more than the cost of the one before; if it should not, the trades are sound, and
    another one is left for the next time.
    """
    trades = np.zeros_like(book.units)
    capital = book.capital_after(_anticipated(book))
    for _ in range(_ROUNDS):
        more = _affordable(book, trades, _wanted(book, trades, capital))
        trades = trades + more
        before, capital = capital, book.capital_after(math.fsum(book.costs(trades)))
        if not more.any() and capital == before:
            break
    return trades, capital


def _anticipated(book: Rebalance) -> float:
    """Return the cost at which the trades that it leaves capital for cost just that; nearly, where lots do not fit."""
    none, cost = np.zeros_like(book.units), 0.0
    for _ in range(_ROUNDS):
        trades = _affordable(book, none, _wanted(book, none, book.capital_after(cost)))
        before, cost = cost, math.fsum(book.costs(trades))
        if cost == before:
            break
    return cost


def _wanted(book: Rebalance, trades: FloatArray, capital: float) -> FloatArray:
    """Return what is still to be traded after *trades*, with as much cash as one likes."""
    held = book.units + trades
    gap = book.targets * capital / book.prices - held
    more = _whole(gap, book.lots)
    small = np.abs(gap) * book.prices < book.band * capital
    small |= _below_least(book, trades, more)
    return np.where(book.targets == 0.0, -held, np.where(small, 0.0, more))


def _affordable(book: Rebalance, trades: FloatArray, more: FloatArray) -> FloatArray:
    """Return *more* with its purchases, but for shorts that go, cut in proportion to the cash that sales leave.

    A name whose part does not make an order leaves it to the others: those that need most first, and of these the one
    that wants least. Sums are exact (``fsum``), so that the order of names does not matter.
    """
    buys = (more > 0.0) & (book.targets != 0.0)
    bill = more * book.prices * (1.0 + book.rate)
    left = max(0.0, book.cash_after(trades + np.where(buys, 0.0, more)))
    need = np.maximum(book.lots * book.prices, book.least)
    while (wanted := math.fsum(bill[buys])) > left:
        cut = np.floor(more * (left / wanted) / book.lots) * book.lots
        stuck = buys & ((cut == 0.0) | _below_least(book, trades, cut))
        if not stuck.any():
            more = np.where(buys, cut, more)
            break
        neediest = stuck & (need == need[stuck].max())
        buys[np.argmin(np.where(neediest, bill, np.inf))] = False
    return np.where(buys | (book.targets == 0.0), more, np.minimum(more, 0.0))


def _whole(units: FloatArray, lots: FloatArray) -> FloatArray:
    """Return *units* in whole lots, rounded towards zero."""
    return np.fix(units / lots + np.sign(units) * _ROUNDING) * lots


def _below_least(book: Rebalance, trades: FloatArray, more: FloatArray) -> BoolArray:
    """Return where *more*, or the order that it would make of *trades*, is too small an amount."""
    return np.minimum(np.abs(more), np.abs(trades + more)) * book.prices < book.least


def _kept(
    book: Rebalance, trades: FloatArray, wanted: FloatArray, capital: float
) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
    """Return for each name that is not traded the rule that keeps it off its target, its figure and limit."""
    gap = np.abs(book.targets * capital / book.prices - book.units)
    weight, lots = gap * book.prices / capital, _whole(gap, book.lots)
    cases = (
        (weight < book.band, weight, np.full_like(gap, book.band)),
        (lots == 0.0, gap, book.lots),
        (lots * book.prices < book.least, lots * book.prices, book.least),
        (wanted != 0.0, np.abs(wanted) * book.prices, np.full_like(gap, book.cash_after(trades))),
    )
    off = (trades == 0.0) & (gap > 0.0)
    hit = [off & case for case, _, _ in cases]
    return (
        np.select(hit, [np.int64(i) for i in range(1, len(RULES))], np.int64(0)),
        np.select(hit, [value for _, value, _ in cases], 0.0),
        np.select(hit, [limit for _, _, limit in cases], 0.0),
    )
