"""What a profile's book holds at a close, and what it is to trade to: handed on from run to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import numpy as np

from quantflow.data.quotes import Quotes
from quantflow.quant.backtest import Backtest
from quantflow.quant.costs import Costs
from quantflow.quant.held import Weights, carry
from quantflow.types import Json


@dataclass(frozen=True)
class Decision:
    """A portfolio that was decided.

    Attributes:
        run_id: The run that decided it.
        session: At whose close, ISO.
        weights: Signed fractions of wealth.
        pool: The names that the benchmark holds in equal parts from the same trade on.
        left: Sessions until it is traded.
    """

    run_id: str
    session: str
    weights: Weights
    pool: tuple[str, ...] = ()
    left: int = 0

    @property
    def equal(self) -> Weights:
        """The benchmark's target."""
        return dict.fromkeys(self.pool, 1.0 / max(1, len(self.pool)))


@dataclass(frozen=True)
class Position:
    """A book at a close.

    Attributes:
        run_id: The run after which it is held.
        session: The session, ISO.
        anchor: The session of the first decision, ISO: a number of sessions is counted from it.
        scheduled: The session of the last decision that was not made by hand, ISO.
        decided: The session of the last decision, ISO.
        by: The run that decided what is held; empty when nothing is.
        held: Weights at that close, after what traded there.
        benchmark: What the benchmark holds then.
        pending: Decisions that are not traded yet, oldest first.
    """

    run_id: str
    session: str
    anchor: str
    scheduled: str
    decided: str
    by: str = ""
    held: Weights = field(default_factory=dict)
    benchmark: Weights = field(default_factory=dict)
    pending: tuple[Decision, ...] = ()

    @property
    def target(self) -> Weights:
        """What is to be held: what was decided last, if it is still to be traded; else what is held."""
        return self.pending[-1].weights if self.pending else self.held

    def json(self) -> Json:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Position:
        """Return the position that ``json`` gave.

        Raises:
            TypeError, KeyError: If it is not one.
        """
        pending = (Decision(**{**each, "pool": tuple(each["pool"])}) for each in data["pending"])
        return cls(**{**data, "pending": tuple(pending)})


@dataclass(frozen=True)
class Line:
    """One session of a book's track.

    Attributes:
        date: The session, ISO.
        net: The book's simple return after costs.
        gross: Before costs.
        cost: What its trades and its shorts cost, as a fraction of wealth.
        turnover: What was traded, two-sided: the sum of |change| of the weights.
        benchmark: Return of the benchmark after costs.
        run_id: The run that decided what was held after the close; empty when nothing was.
    """

    date: str
    net: float
    gross: float
    cost: float
    turnover: float
    benchmark: float
    run_id: str


def begun(session: date, run_id: str) -> Position:
    """Return the position before a profile's first decision: nothing is held."""
    day = session.isoformat()
    return Position(run_id, day, day, day, "")


def carried(
    before: Position,
    quotes: Quotes,
    costs: Costs,
    run_id: str,
    decision: Decision | None = None,
    *,
    by_hand: bool = False,
) -> tuple[list[Line], Position]:
    """Carry a book to the last session of some quotes; return a line per session, and what is held then.

    Args:
        before: The position at an earlier session; at the last session itself nothing is earned any more.
        quotes: What is known at the last session.
        costs: What trading and holding costs.
        run_id: The run that asks.
        decision: What it decides at the last session's close; it is traded there when nothing is ``left``.
        by_hand: Whether that decision is none of the rhythm's.
    """
    days = quotes.sessions.astype("datetime64[D]")
    count = int((days > np.datetime64(before.session, "D")).sum())
    queue = [*before.pending, *([_counted_from(decision, count)] if decision else [])]
    due = {each.left: each for each in queue if each.left <= count}
    first = len(days) - count
    returns, able = quotes.returns[:, first:], quotes.tradable[:, max(0, first - 1) :]
    if not first:  # the book is older than the quotes
        able = np.concatenate([np.zeros((len(quotes.names), 1), dtype=bool), able], axis=1)
    book, pool = (
        carry(held, trades, quotes.names, returns, able, costs)
        for held, trades in (
            (before.held, {left: each.weights for left, each in due.items()}),
            (before.benchmark, {left: each.equal for left, each in due.items()}),
        )
    )
    by = _deciders(before.by, due, count)
    after = Position(
        run_id=run_id,
        session=str(days[-1]),
        anchor=before.anchor,
        scheduled=decision.session if decision and not by_hand else before.scheduled,
        decided=decision.session if decision else before.decided,
        by=by[-1],
        held=book.held,
        benchmark=pool.held,
        pending=tuple(_counted_from(each, -count) for each in queue if each.left > count),
    )
    return _lines([str(day) for day in days[len(days) - count - 1 :]], book.earned, pool.earned, by, 0 in due), after


def _counted_from(decision: Decision, sessions: int) -> Decision:
    return Decision(decision.run_id, decision.session, decision.weights, decision.pool, decision.left + sessions)


def _deciders(by: str, due: Mapping[int, Decision], count: int) -> list[str]:
    """Return which run decided what is held after each close, from the one before on."""
    found = []
    for number in range(count + 1):
        by = due[number].run_id if number in due else by
        found.append(by)
    return found


def _lines(days: Sequence[str], book: Backtest, pool: Backtest, by: Sequence[str], first: bool) -> list[Line]:
    """Return a line per session; of the close before, only when a trade was made there."""
    lines = [
        Line(
            day,
            net=float(book.net[number]),
            gross=float(book.gross[number]),
            cost=float(book.cost[number]),
            turnover=float(book.turnover[number]),
            benchmark=float(pool.net[number]),
            run_id=by[number],
        )
        for number, day in enumerate(days)
    ]
    return lines if first else lines[1:]
