"""One book from session to session: what it earned, what was traded, what is held afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from quantflow.quant.backtest import Backtest, FloatArray, Simulation, carried_returns

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
    held: Weights, trades: Mapping[int, Weights], symbols: Sequence[str], close: FloatArray, sessions: int, bps: float
) -> Stretch:
    """Carry a portfolio over the last *sessions* of some prices.

    A name without a price keeps its last one and is not traded, also one that the prices do not have at all.

    Args:
        held: Weights at the close before the first of those sessions.
        trades: Targets by session, counted from 1 for the first of those sessions; 0 trades at the close before.
        symbols: N names.
        close: Their closes, shape (N, T), T > *sessions*; NaN is a hole.
        sessions: How many of the last sessions.
        bps: Cost in basis points of the amount traded.
    """
    names = sorted({*symbols, *held, *(name for target in trades.values() for name in target)})
    place = {name: row for row, name in enumerate(names)}
    rows, first = [place[symbol] for symbol in symbols], close.shape[1] - sessions
    returns, alive = np.zeros((len(names), sessions + 1)), np.zeros((len(names), sessions + 1), dtype=bool)
    returns[rows, 1:] = np.nan_to_num(carried_returns(close)[:, first:])  # the first column is the close before
    alive[rows, 1:] = np.isfinite(close[:, first:])
    alive[rows, 0] = np.isfinite(close[:, first - 1]) if first else False
    weights, steps = vector(held, names), list[Backtest]()
    for number in range(sessions + 1):  # one by one, so that it makes no difference how many are carried at once
        step = Simulation(returns[:, number : number + 1], bps, weights)
        if number in trades:
            step.trade(0, vector(trades[number], names), alive[:, number])
        steps.append(step.result())
        weights = step.drifted(0)
    earned = Backtest(*(np.concatenate([getattr(step, name) for step in steps]) for name in _PARTS))
    return Stretch(earned, {names[i]: float(weights[i]) for i in np.flatnonzero(weights)})


def vector(weights: Weights, names: Sequence[str]) -> FloatArray:
    """Return weights in the order of *names*, shape (N,)."""
    return np.array([weights.get(name, 0.0) for name in names])
