"""Sleeves as assets: their streams on common sessions, their books netted, their shares of risk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import fsum

import numpy as np
import numpy.typing as npt

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
