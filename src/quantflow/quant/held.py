"""One book from session to session: what it earned, what was traded, what is held afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from quantflow.quant.backtest import Backtest, BoolArray, FloatArray, Simulation
from quantflow.quant.costs import Costs

Weights = Mapping[str, float]
"""Signed fractions of wealth by name; a name that is not there has none."""

_PARTS = tuple(field.name for field in fields(Backtest))


@dataclass(frozen=True, eq=False)
class Stretch:
    """What a portfolio did over some sessions.

    Attributes:
        earned: Of the close before, where only a trade counts, and of each session, shape (S + 1,).
        held: Weights at the close of the last one, after what traded there.
    """

    earned: Backtest
    held: Weights


def carry(
    held: Weights,
    trades: Mapping[int, Weights],
    names: Sequence[str],
    returns: FloatArray,
    tradable: BoolArray,
    costs: Costs,
) -> Stretch:
    """Carry a portfolio over S sessions.

    A name that cannot be traded is kept, also one of which nothing is known; that one earns nothing.

    Args:
        held: Weights at the close before the first of those sessions.
        trades: Targets by session, counted from 1 for the first of those sessions; 0 trades at the close before.
        names: N names.
        returns: Their simple returns in each session, shape (N, S).
        tradable: Where they can be traded, shape (N, S + 1), the close before being the first.
        costs: What trading and holding costs; the close before costs what is traded there, since no time passes.
    """
    known = sorted({*names, *held, *(name for target in trades.values() for name in target)})
    place = {name: row for row, name in enumerate(known)}
    rows, count = [place[name] for name in names], returns.shape[1]
    moves, able = np.zeros((len(known), count + 1)), np.zeros((len(known), count + 1), dtype=bool)
    moves[rows, 1:] = np.nan_to_num(returns)  # the first column is the close before
    able[rows] = tradable
    weights, steps, rates = vector(held, known), list[Backtest](), costs.rates(known)
    for number in range(count + 1):  # one by one, so that it makes no difference how many are carried at once
        step = Simulation(moves[:, number : number + 1], rates if number else rates.unfinanced(), weights)
        if number in trades:
            step.trade(0, vector(trades[number], known), able[:, number])
        steps.append(step.result())
        weights = step.drifted(0)
    earned = Backtest(*(np.concatenate([getattr(step, name) for step in steps]) for name in _PARTS))
    return Stretch(earned, {known[i]: float(weights[i]) for i in np.flatnonzero(weights)})


def vector(weights: Weights, names: Sequence[str]) -> FloatArray:
    """Return weights in the order of *names*, shape (N,)."""
    return np.array([weights.get(name, 0.0) for name in names])
