"""A portfolio of portfolios as what it holds: its assets, netted, and traded as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantflow.quant.backtest import BoolArray, FloatArray, IntArray, Simulation


@dataclass(frozen=True, eq=False)
class Trades:
    """What a sleeve trades to.

    Attributes:
        at: K sessions, as increasing positions.
        targets: Signed weights as fractions of the sleeve's own wealth, shape (K, N).
    """

    at: IntArray
    targets: FloatArray


def look_through(sleeves: Sequence[Trades], capital: Trades, returns: FloatArray, tradable: BoolArray) -> Trades:
    """Return what a portfolio of S sleeves trades to in N assets, from the first session that divides capital on.

    It trades when capital is divided, and when a sleeve trades. A sleeve's assets drift between its trades, and its
    capital with them, before costs; in an asset that several sleeves hold, the sum of their positions counts.

    Args:
        sleeves: The trades of each.
        capital: Targets of the sleeves, as fractions of the portfolio's wealth, shape (K, S).
        returns: Simple returns of the assets, shape (N, T).
        tradable: Where each can be traded, shape (N, T).
    """
    start = int(capital.at[0])
    at = np.unique(np.concatenate([capital.at, *(sleeve.at[sleeve.at > start] for sleeve in sleeves)]))
    paths = [_path(sleeve, at, returns, tradable) for sleeve in sleeves]
    parts = Simulation(np.stack([earned for _, earned in paths]))
    given = dict(zip(capital.at.tolist(), capital.targets, strict=True))
    targets = np.zeros((len(at), returns.shape[0]))
    for number, position in enumerate(at.tolist()):
        if position in given:
            parts.trade(position, given[position])
        divided = parts.drifted(position)
        targets[number] = sum(part * held[number] for part, (held, _) in zip(divided, paths, strict=True))
    return Trades(at, targets)


def _path(sleeve: Trades, at: IntArray, returns: FloatArray, tradable: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return what a sleeve holds after the close of E sessions, shape (E, N), and its returns, shape (T,)."""
    portfolio = Simulation(returns, held=np.zeros(returns.shape[0]))
    held, traded = np.zeros((len(at), returns.shape[0])), 0
    for number, position in enumerate(at.tolist()):
        while traded < len(sleeve.at) and sleeve.at[traded] <= position:
            when = int(sleeve.at[traded])
            portfolio.trade(when, sleeve.targets[traded], tradable[:, when])
            traded += 1
        held[number] = portfolio.drifted(position)
    return held, portfolio.result().gross
