"""What can be traded: returns of names over time, and where each has a price to trade at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import numpy.typing as npt

from quantflow.config.calendar import CalendarConfig
from quantflow.config.operation import Charges, CostsConfig
from quantflow.quant.costs import Cost, Costs
from quantflow.types import Settings

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
SessionArray = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Quotes:
    """N names over T sessions.

    Attributes:
        names: The names, sorted.
        sessions: ``datetime64[D]``, increasing, shape (T,).
        returns: Simple returns of each session, shape (N, T): 0 without a price, the whole move with the next one.
        tradable: Where a name can be traded at the close, shape (N, T).
        own: What single names cost, where that is not what the settings say.
    """

    names: tuple[str, ...]
    sessions: SessionArray
    returns: FloatArray
    tradable: BoolArray
    own: Mapping[str, Cost] = field(default_factory=dict)

    def select(self, names: Sequence[str]) -> Quotes:
        """Return the quotes of some of the names, which are sorted."""
        row = {name: i for i, name in enumerate(self.names)}
        rows = [row[name] for name in names]
        return Quotes(tuple(names), self.sessions, self.returns[rows], self.tradable[rows], self.own)

    def on(self, days: SessionArray) -> Quotes:
        """Return the quotes on some of the sessions; what was earned in between counts on the next of them."""
        if len(days) == len(self.sessions):
            return self
        at = np.searchsorted(self.sessions, days)
        wealth = np.cumprod(1.0 + np.nan_to_num(self.returns), axis=1)[:, at]
        before = np.concatenate([np.ones((len(self.names), 1)), wealth[:, :-1]], axis=1)
        moves = np.divide(wealth, before, out=np.ones_like(wealth), where=before > 0.0) - 1.0
        return Quotes(self.names, days, moves, self.tradable[:, at], self.own)


def costs(charges: CostsConfig, own: Mapping[str, Cost], sessions: int) -> Costs:
    """Return what trading and holding costs: the one answer for the walk-forward, the book and its orders.

    Args:
        charges: What any name costs.
        own: What single names cost; see ``Quotes.own``.
        sessions: Sessions per year.
    """
    shared = {name: getattr(charges, name) for name in CostsConfig.model_fields}
    return Costs(**shared, sessions=sessions, own=own)


def costs_under(settings: Settings, own: Mapping[str, Cost]) -> Costs:
    """Return the same of a run, by the sections ``validation`` and ``calendar`` of its settings."""
    return costs(Charges(**settings["validation"]), own, CalendarConfig(**settings["calendar"]).annualisation)


def joined(quotes: Sequence[Quotes]) -> Quotes:
    """Return all names of some quotes on the sessions that all of them have; a name of several is that of the first.

    What a name earned in between counts on the next session that stays.
    """
    days = reduce(np.intersect1d, [each.sessions for each in quotes])
    cut = [each.on(days) for each in reversed(quotes)]
    rows = {name: (each, row) for each in cut for row, name in enumerate(each.names)}
    names = tuple(sorted(rows))
    if not names:
        return Quotes((), days, np.empty((0, len(days))), np.empty((0, len(days)), dtype=bool))
    return Quotes(
        names,
        days,
        np.stack([rows[name][0].returns[rows[name][1]] for name in names]),
        np.stack([rows[name][0].tradable[rows[name][1]] for name in names]),
        {name: cost for each in reversed(quotes) for name, cost in each.own.items()},
    )
