"""Clusters: correlation distances over several windows, Ward's tree, and its cut."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]

UNCORRELATED = float(np.sqrt(0.5))
"""The distance of two symbols that are uncorrelated, and of two that never share enough observations."""

_SINGLE_ABOVE = 1_000
"""Number of symbols above which matrices are float32: 100 MB each for 5,000 symbols."""

_ORDERED_UP_TO = 100
"""Number of symbols up to which leaves are ordered optimally; the cost grows faster than the square."""

_FLAT = 1e-10
"""Standard deviation per session below which returns are constant up to rounding, and correlations undefined."""


def clusterable(returns: FloatArray, min_observations: int) -> npt.NDArray[np.bool_]:
    """Return which symbols have enough varying returns to be compared with others.

    Args:
        returns: Simple returns, shape (N, T), oldest first; NaN is no return.
        min_observations: Fewest returns.

    Returns:
        Mask of shape (N,).
    """
    filled, present = _filled(np.asarray(returns, dtype=np.float64))
    count = present.sum(axis=1)
    return np.asarray((count >= min_observations) & (_deviation(filled, count) > _FLAT))


def correlations(returns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return pairwise-complete correlations: each pair over the sessions on which both have a return.

    Without NaN that is one matrix product; with NaN four, of values and masks, in place of a loop over pairs.

    Args:
        returns: Simple returns, shape (N, L), oldest first; NaN is no return. float32 is computed in float32.

    Returns:
        Correlations (N, N), symmetric, in [-1, 1], the diagonal and undefined pairs NaN; and the number of
        common sessions, (N, N), or of shape () where it is the same for all pairs.
    """
    filled, present = _filled(returns)
    count = present.sum(axis=1)
    scale = _deviation(filled, count)
    with np.errstate(divide="ignore", invalid="ignore"):
        filled /= np.where(scale > _FLAT, scale, np.nan)[:, None].astype(returns.dtype)
        if present.all():
            common: FloatArray = np.asarray(returns.shape[1], dtype=returns.dtype)
            rho: FloatArray = filled @ filled.T
            rho /= common
        else:
            rho, common = _pairwise(np.where(present, filled, returns.dtype.type(0)), present.astype(returns.dtype))
    np.clip(rho, -1.0, 1.0, out=rho)
    np.fill_diagonal(rho, np.nan)
    return rho, common


def _filled(returns: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return returns less their mean with 0 in the holes, and where there are none."""
    present = np.isfinite(returns)
    filled = np.where(present, returns, returns.dtype.type(0))
    count = np.maximum(present.sum(axis=1, keepdims=True), 1)
    filled -= (filled.sum(axis=1, keepdims=True, dtype=np.float64) / count).astype(returns.dtype)
    filled[~present] = 0
    return filled, present


def _deviation(filled: FloatArray, count: npt.NDArray[np.int_]) -> FloatArray:
    squares = np.einsum("ij,ij->i", filled, filled, dtype=np.float64)
    return np.asarray(np.sqrt(squares / np.maximum(count, 1)))


def _pairwise(x: FloatArray, mask: FloatArray) -> tuple[FloatArray, FloatArray]:
    common = mask @ mask.T
    sums = x @ mask.T
    variance = (x * x) @ mask.T
    variance -= sums * sums / common
    variance[variance <= 1e-6 * common] = np.nan  # as good as constant on the common sessions
    rho = x @ x.T
    rho -= sums * sums.T / common
    rho /= np.sqrt(variance * variance.T)
    return rho, common


def shrinkage_intensity(rho: FloatArray, common: FloatArray) -> float:
    """Return the share by which correlations are shrunk toward 0 so that the expected squared error is least.

    delta = sum Var(r_ij) / sum r_ij^2 over i != j, at most 1, with the variance of a correlation of normal data,
    (1 - r^2)^2 / (n - 1).

    Args:
        rho: Correlations, shape (N, N); NaN is left out.
        common: Observations behind each, shape (N, N) or ().

    Returns:
        Intensity in [0, 1]; 0.0 where no pair is defined.

    Source:
        Schaefer and Strimmer (2005), target "identity", after Ledoit and Wolf (2004). We differ: their variance
        is estimated from the products of each session; the normal one needs no second pass over the data.
    """
    squared = rho * rho
    undefined = np.isnan(squared)  # in place from here on: with thousands of symbols each copy costs more than its use
    np.copyto(squared, 0.0, where=undefined)
    signal = float(np.sum(squared, dtype=np.float64))
    np.subtract(1.0, squared, out=squared)
    squared *= squared
    squared /= np.maximum(common - 1.0, 1.0)
    np.copyto(squared, 0.0, where=undefined)
    noise = float(np.sum(squared, dtype=np.float64))
    return min(1.0, noise / signal) if signal > 0.0 else float(noise > 0.0)


def distances(
    returns: FloatArray, lookbacks: Sequence[int], min_observations: int, shrinkage: float | None = None
) -> FloatArray:
    """Return the mean over windows of sqrt((1 - rho) / 2), rho shrunk toward 0.

    A pair counts in a window where it shares *min_observations* returns there; one that does so in no window is
    taken as uncorrelated. A window longer than the history is the whole history.

    Args:
        returns: Simple returns, shape (N, T), oldest first; NaN is no return.
        lookbacks: Lengths of the windows, sessions, each ending at the last one.
        min_observations: Fewest common returns of a pair.
        shrinkage: Share of each correlation that is replaced by 0; None estimates it in each window.

    Returns:
        Condensed distances in [0, 1], shape (N (N - 1) / 2,): (0,1), (0,2), ..., float32 above 1,000 symbols.

    Source:
        Mantegna (1999) for the distance, scaled to [0, 1] as in Lopez de Prado (2016).
    """
    dtype = np.float32 if len(returns) > _SINGLE_ABOVE else np.float64
    total = np.zeros((len(returns), len(returns)), dtype=dtype)
    windows = np.zeros(total.shape, dtype=np.uint8)
    for lookback in lookbacks:
        rho, common = correlations(returns[:, -lookback:].astype(dtype))
        few = common < min_observations
        if few.any():
            rho[np.broadcast_to(few, rho.shape)] = np.nan
        rho *= 1.0 - (shrinkage_intensity(rho, common) if shrinkage is None else shrinkage)
        np.subtract(1.0, rho, out=rho)
        rho *= 0.5
        np.sqrt(rho, out=rho)
        defined = np.isfinite(rho)
        windows += defined
        np.add(total, rho, out=total, where=defined)
    np.divide(total, windows, out=total, where=windows > 0)
    total[windows == 0] = UNCORRELATED
    return np.asarray(squareform(total, checks=False))


def cut_tree(condensed: FloatArray, threshold: float, max_clusters: int) -> tuple[IntArray, IntArray]:
    """Return each symbol's cluster and place in Ward's tree.

    The tree is cut at height *threshold*, or higher if that gives more than *max_clusters*. Heights follow the
    Lance-Williams recurrence on the given distances, so that a group's height grows with its size.

    Args:
        condensed: Distances of N symbols, shape (N (N - 1) / 2,); N = 1 is an empty array.
        threshold: Height at which to cut.
        max_clusters: Most clusters.

    Returns:
        Labels from 1, numbered by first appearance in leaf order, and leaf positions from 0; each (N,).

    Source:
        Ward (1963); Bar-Joseph, Gifford and Jaakkola (2001) for the order of the leaves of small trees.
    """
    if len(condensed) == 0:
        return np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    symbols = (1 + math.isqrt(1 + 8 * len(condensed))) // 2
    tree = linkage(condensed, "ward", optimal_ordering=symbols <= _ORDERED_UP_TO)
    merges = max(int((tree[:, 2] <= threshold).sum()), symbols - max_clusters)
    return _read_tree(tree[:, :2].astype(np.int64).tolist(), merges)


def _read_tree(children: list[list[int]], merges: int) -> tuple[IntArray, IntArray]:
    """Return labels and leaf positions when the first *merges* rows of the tree, in order of height, are kept."""
    symbols = len(children) + 1
    labels, order = np.zeros(symbols, dtype=np.int64), np.zeros(symbols, dtype=np.int64)
    pending, clusters, leaves = [(2 * symbols - 2, 0)], 0, 0
    while pending:
        node, label = pending.pop()
        if label == 0 and node < symbols + merges:
            clusters += 1
            label = clusters
        if node < symbols:
            labels[node], order[node] = label, leaves
            leaves += 1
        else:
            left, right = children[node - symbols]
            pending += [(right, label), (left, label)]
    return labels, order


def cluster(
    returns: FloatArray,
    lookbacks: Sequence[int],
    min_observations: int,
    shrinkage: float | None,
    threshold: float,
    max_clusters: int,
) -> tuple[IntArray, IntArray]:
    """Return each symbol's cluster and leaf position.

    Symbols with too few returns, or constant ones, in the longest window come last, each a cluster of its own
    that does not count toward *max_clusters*.

    Args:
        returns: Simple returns, shape (N, T), oldest first; NaN is no return.
        lookbacks: Lengths of the windows, sessions.
        min_observations: Fewest returns of a symbol and of a pair.
        shrinkage: Share of each correlation that is replaced by 0; None estimates it.
        threshold: Height at which the tree is cut.
        max_clusters: Most clusters of the tree.

    Returns:
        Labels from 1 by first appearance in leaf order, and leaf positions from 0; each (N,).
    """
    recent = returns[:, -max(lookbacks) :]
    usable = clusterable(recent, min_observations)
    labels, order = np.zeros(len(returns), dtype=np.int64), np.zeros(len(returns), dtype=np.int64)
    if usable.any():
        condensed = distances(recent[usable], lookbacks, min_observations, shrinkage)
        labels[usable], order[usable] = cut_tree(condensed, threshold, max_clusters)
    alone = np.arange(len(returns) - int(usable.sum()))
    labels[~usable] = labels.max(initial=0) + 1 + alone
    order[~usable] = int(usable.sum()) + alone
    return labels, order
