"""The orders that bring an account to a book: at which prices and terms, and why each is made or not."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from quantflow.config.operation import OrdersConfig
from quantflow.data.cells import to_cell
from quantflow.data.quality.unmatched import Nearest
from quantflow.desk.advance import costs_of
from quantflow.desk.holdings import CASH, Holdings, Position
from quantflow.desk.market import Instrument, market, symbols_of
from quantflow.desk.target import Target
from quantflow.errors import ConfigError, DataError
from quantflow.quant.orders import RULES, Plan, Rebalance, plan
from quantflow.types import Json

FILE = "orders.csv"


@dataclass(frozen=True)
class Order:
    """One trade: units and money are positive, the side says which way.

    Attributes:
        symbol: What.
        side: ``BUY`` or ``SELL``.
        quantity: Units.
        price: Money per unit, at which it is valued; no limit.
        notional: Quantity times price.
        current_weight: Signed fraction of capital before all orders.
        target_weight: That of the book.
        cost: Commission and slippage, money.
        reason: ``exit``, ``enter``, ``add``, ``trim`` or ``reverse``; ``…, cut to cash`` when cash did not reach.
    """

    symbol: str
    side: str
    quantity: float
    price: float
    notional: float
    current_weight: float
    target_weight: float
    cost: float
    reason: str


@dataclass(frozen=True)
class Skipped:
    """A name that is not at the book's weight, and is not traded.

    Attributes:
        symbol: What.
        current_weight: Signed fraction of capital.
        target_weight: That of the book.
        rule: ``band``, ``lot``, ``min_notional`` or ``cash``.
        value: The figure: distance in weight, units, amount, amount.
        limit: The limit of that rule: the band, the lot, the smallest amount, the cash left.
    """

    symbol: str
    current_weight: float
    target_weight: float
    rule: str
    value: float
    limit: float


@dataclass(frozen=True)
class Orders:
    """All orders, and what they come to; money is in the currency of the names.

    Attributes:
        run_id: The run whose weights are followed.
        profile: Its profile.
        as_of: Its session, ISO: that of the closes.
        book: Whether it is the profile's current book.
        stale: Why a newer run did not replace that book; None when none failed to.
        currency: Of all money; None when the run does not know it.
        capital: What the weights are fractions of.
        cash_before: Cash before the orders.
        cash_after: Cash after them and their cost.
        turnover: Amount traded as a fraction of capital.
        cost: Commission and slippage of all orders.
        tracking_difference: Sum of |weight after - weight of the book|.
        orders: Sales, then purchases; of each those of names that go first, then the largest.
        skipped: Names left alone though they are off the book's weight, by symbol.
        notes: What one should know of the run, the prices and the cash.
    """

    run_id: str
    profile: str
    as_of: str
    book: bool
    stale: str | None
    currency: str | None
    capital: float
    cash_before: float
    cash_after: float
    turnover: float
    cost: float
    tracking_difference: float
    orders: Sequence[Order]
    skipped: Sequence[Skipped]
    notes: Sequence[str]

    def json(self) -> Json:
        """Return the orders as JSON values."""
        return asdict(self)

    def csv(self) -> str:
        """Return ``orders.csv``: a row per order in the order of execution; only the header when there is none."""
        out = io.StringIO()
        writer = csv.DictWriter(out, list(Order.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(order), "symbol": to_cell(order.symbol)} for order in self.orders)
        return out.getvalue()


def orders_of(target: Target, holdings: Holdings, capital: float | None = None) -> Orders:
    """Return the orders that bring *holdings* to *target*.

    Args:
        target: What is to be held.
        holdings: What is held. A price in it comes before the run's close.
        capital: Money that the weights are fractions of; what the account is worth when None. Where the holdings say
            nothing of cash, cash is what the positions leave of this; 0 when this is None too.

    Raises:
        DataError: If a name has no price, names are in several currencies, or the account is worth nothing, or no more
            than the costs.
        ConfigError: If the positions are worth more than the given capital, which includes the cash.
    """
    held = {symbol: p for symbol, p in holdings.positions.items() if p.quantity or symbol in target.weights}
    symbols = sorted({*held, *target.weights})
    own = {symbol: p.price for symbol, p in held.items() if p.price is not None}
    known = {symbol: Instrument() for symbol in symbols} | market(target.run, symbols, own)
    currency = _currency(known)
    meant = _meant(target, held, known)
    prices = _prices(target.run.id, known, own, meant)
    problem = _problem(target, held, prices, known, _money(holdings, prices, capital))
    if not 0.0 < problem.worth < math.inf:
        raise DataError(f"The account is worth {problem.worth:g}.", hint=f'Give a row "{CASH},2500", or --capital.')
    notes = _notes(target, known, own, currency)
    notes += [f"{name} is not a symbol of the run: did you mean {close}?" for name, close in meant.items()]
    if holdings.cash is None and capital is None:
        notes.append("the holdings say nothing of cash: it is taken to be 0")
    return _told(target, symbols, problem, currency, notes)


def _meant(target: Target, held: Mapping[str, Position], known: Mapping[str, Instrument]) -> dict[str, str]:
    """Return the nearest symbol of the run for each name held that the run does not know, where there is one."""
    strange = [name for name in sorted(held) if known[name] == Instrument() and name not in target.weights]
    near = Nearest(symbols_of(target.run) - set(held)) if strange else None
    return {name: close for name in strange if near is not None and (close := near.like(name)) is not None}


def _prices(
    run_id: str, known: Mapping[str, Instrument], own: Mapping[str, float], meant: Mapping[str, str]
) -> dict[str, float]:
    prices = {symbol: own.get(symbol, instrument.price) for symbol, instrument in known.items()}
    if unpriced := [symbol for symbol, price in prices.items() if price is None]:
        cash = f" Cash is the row {CASH!r}, in lower case." if any(name.lower() == CASH for name in unpriced) else ""
        near = "".join(f"Did you mean {meant[name]!r}? " for name in unpriced[:1] if name in meant)
        raise DataError(
            f"Run {run_id} has no price of {', '.join(unpriced)}.",
            hint=f"{near}Give it in the holdings' column price, or take the row out to leave the position alone.{cash}",
        )
    return {symbol: price for symbol, price in prices.items() if price is not None}


def _currency(known: Mapping[str, Instrument]) -> str | None:
    """Return the one currency of all names; None when none is known."""
    by: dict[str, list[str]] = {}
    for symbol, instrument in known.items():
        if instrument.currency:
            by.setdefault(instrument.currency, []).append(symbol)
    if len(by) > 1:
        listed = "; ".join(f"{currency} ({', '.join(names[:3])})" for currency, names in sorted(by.items()))
        raise DataError(
            f"Book and holdings are in several currencies: {listed}.",
            hint="There is no source of exchange rates: keep a profile, and an account, per currency.",
        )
    return next(iter(by), None)


def _money(holdings: Holdings, prices: Mapping[str, float], capital: float | None) -> tuple[float, float | None]:
    """Return the cash, and the capital where it is another than what the account is worth."""
    if holdings.cash is not None:
        return holdings.cash, capital
    if capital is None:
        return 0.0, None
    worth = sum(position.quantity * prices.get(symbol, 0.0) for symbol, position in sorted(holdings.positions.items()))
    if worth > capital:
        raise ConfigError(
            f"The positions are worth {worth:.2f}, more than --capital {capital:.2f}.",
            hint=f'Give what the account is worth with its cash, or the cash as a row: "{CASH},0".',
        )
    return capital - worth, None


def _problem(
    target: Target,
    held: Mapping[str, Position],
    prices: Mapping[str, float],
    known: Mapping[str, Instrument],
    money: tuple[float, float | None],
) -> Rebalance:
    """Return what is to be solved, its names in the order of *prices*; a lot that is not known is one unit."""
    settings = target.run.header.settings
    return Rebalance(
        units=np.array([held[s].quantity if s in held else 0.0 for s in prices]),
        prices=np.array(list(prices.values())),
        cash=money[0],
        targets=np.array([target.weights.get(s, 0.0) for s in prices]),
        lots=np.array([known[s].lot or 1.0 for s in prices]),
        least=np.array([known[s].min_notional or 0.0 for s in prices]),
        band=OrdersConfig(**settings.get("orders", {})).no_trade_band,
        rate=costs_of(target.run).rates(list(prices)).trade,
        capital=money[1],
    )


def _notes(
    target: Target, known: Mapping[str, Instrument], own: Mapping[str, float], currency: str | None
) -> list[str]:
    as_of = target.run.as_of.isoformat()
    old = [
        f"{symbol}: its last close is of {instrument.session}"
        for symbol, instrument in known.items()
        if symbol not in own and instrument.session != as_of
    ]
    strange = [symbol for symbol, instrument in known.items() if currency and not instrument.currency]
    return [*target.notes, *old] + [f"taken to be in {currency}: {', '.join(strange)}"] * bool(strange)


def _told(
    target: Target, symbols: Sequence[str], problem: Rebalance, currency: str | None, notes: Sequence[str]
) -> Orders:
    found = plan(problem)
    capital, cost = problem.capital_after(0.0), float(found.costs.sum())
    if problem.capital_after(cost) <= 0.0:
        raise DataError(
            f"The orders would cost {cost:.2f}, and the account is worth {capital:.2f}.",
            hint="See its cash, and the profile's validation.commission_bps, slippage_bps and costs.",
        )
    orders = [_order(symbols[i], i, problem, found) for i in np.flatnonzero(found.trades).tolist()]
    return Orders(
        run_id=target.run.id,
        profile=target.run.profile,
        as_of=target.run.as_of.isoformat(),
        book=target.book,
        stale=target.stale,
        currency=currency,
        capital=capital,
        cash_before=problem.cash,
        cash_after=found.cash,
        turnover=sum(order.notional for order in orders) / capital,
        cost=cost,
        tracking_difference=float(np.abs(found.after - problem.targets).sum()),
        orders=sorted(orders, key=lambda o: (o.side == "BUY", o.reason != "exit", -o.notional, o.symbol)),
        skipped=[_skipped(symbols[i], i, problem, found) for i in np.flatnonzero(found.rules).tolist()],
        notes=[*notes, *_owed(found.cash, currency)],
    )


def _owed(cash: float, currency: str | None) -> Iterator[str]:
    if round(cash, 2) < 0.0:
        short = f"{-cash:.2f}{f' {currency}' if currency else ''}"
        yield f"cash is short of {short}: sell that much more, pay it in, or leave a short that is bought back"


def _order(symbol: str, i: int, problem: Rebalance, found: Plan) -> Order:
    trade, units, target = (float(values[i]) for values in (found.trades, problem.units, problem.targets))
    quantity = abs(trade) if target == 0.0 else float(f"{abs(trade):.15g}")  # 3 lots of 0.1 are 0.3
    price = float(problem.prices[i])
    return Order(
        symbol=symbol,
        side="BUY" if trade > 0.0 else "SELL",
        quantity=quantity,
        price=price,
        notional=quantity * price,
        current_weight=float(found.before[i]),
        target_weight=target,
        cost=float(found.costs[i]),
        reason=_reason(units, trade, target) + (", cut to cash" if found.cut[i] else ""),
    )


def _reason(units: float, trade: float, target: float) -> str:
    if target == 0.0:
        return "exit"
    if units == 0.0:
        return "enter"
    if units * (units + trade) < 0.0:
        return "reverse"
    return "add" if trade * units > 0.0 else "trim"


def _skipped(symbol: str, i: int, problem: Rebalance, found: Plan) -> Skipped:
    return Skipped(
        symbol=symbol,
        current_weight=float(found.before[i]),
        target_weight=float(problem.targets[i]),
        rule=RULES[int(found.rules[i])],
        value=float(found.values[i]),
        limit=float(found.limits[i]),
    )
