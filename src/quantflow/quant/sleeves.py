"""Sleeves as assets: streams on common sessions, books netted, trades seen through, shares of risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import fsum

import numpy as np
import numpy.typing as npt

from quantflow.quant.backtest import BoolArray, Simulation

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
DateArray = npt.NDArray[np.datetime64]

ROUNDING = 1e-15
"""A net position below this fraction of its long and short parts together is the rounding of a zero."""


def join_streams(days: Sequence[DateArray], returns: Sequence[FloatArray]) -> tuple[DateArray, FloatArray]:
    """Return K return streams on the sessions that all of them have, an inner join.

    A return between two joined sessions is not lost: it is compounded into the return of the later one, so that
    each stream's wealth at a joined session, relative to the joined session before, is what it was. A weekend of a
    market that never closes thus counts on Monday. What lies before the first joined session is left out; a return
    that has nothing to be compounded with keeps its bits.

    Args:
        days: The sessions of each stream, ``datetime64[D]``, strictly increasing, shape (T_k,).
        returns: Its simple returns, finite, shape (T_k,).

    Returns:
        The joined sessions, shape (S,), and the returns, shape (S, K), K in the order given.
    """
    common = reduce(lambda a, b: np.intersect1d(a, b, assume_unique=True), days)
    if not len(common):
        return common, np.empty((0, len(days)))
    return common, np.column_stack([_on(common, d, r) for d, r in zip(days, returns, strict=True)])


def _on(common: DateArray, days: DateArray, returns: FloatArray) -> FloatArray:
    last = np.searchsorted(days, common)
    first = np.concatenate([last[:1], last[:-1] + 1])
    grown = np.multiply.reduceat(1.0 + returns[: last[-1] + 1], first) - 1.0
    return np.where(first == last, returns[last], grown)


def net_positions(contributions: FloatArray, assets: IntArray, count: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what C signed contributions to positions in *count* assets come to.

    Sums are exact before they are rounded (Shewchuk 1997), so they do not depend on the order of contributions.

    Args:
        contributions: Signed weights, finite, shape (C,).
        assets: The asset of each contribution, from 0 to ``count - 1``, shape (C,).
        count: Number of assets, at least 1.

    Returns:
        net, long and short, each of shape (count,): the summed positive contributions, the summed magnitudes of the
        negative ones, and long - short, 0 where that is but rounding.
    """
    order = np.argsort(assets, kind="stable")
    parts = np.split(contributions[order], np.searchsorted(assets[order], np.arange(1, count)))
    long = np.array([fsum(part[part > 0]) for part in parts])
    short = np.array([fsum(-part[part < 0]) for part in parts])
    net = long - short
    return np.where(np.abs(net) > ROUNDING * (long + short), net, 0.0), long, short


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


def risk_shares(returns: FloatArray, weights: FloatArray) -> FloatArray:
    """Return each sleeve's share of the portfolio's variance, w_k cov(r_k, r_p) / var(r_p), summing to 1.

    Negative for a sleeve that hedges the others; NaN for all when the portfolio has no variance.

    Args:
        returns: Simple returns, finite, shape (S, K), S >= 2.
        weights: Weights of the sleeves, shape (K,).

    Source:
        Litterman (1996), Hot Spots and Hedges.
    """
    centred = (returns - returns.mean(axis=0)) * weights
    total = centred.sum(axis=1)
    variance = float(total @ total)
    return centred.T @ total / variance if variance > 1e-28 * len(returns) else np.full(len(weights), np.nan)
