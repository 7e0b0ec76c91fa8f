"""Clusters: Ward's tree of correlation distances, and its cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy  # its parts are loaded when they are used

from quantflow.quant.grouping.correlations import FloatArray, clusterable, distances

IntArray = npt.NDArray[np.int64]

_ORDERED_UP_TO = 100
"""Number of symbols up to which leaves are ordered optimally; the cost grows faster than the square."""


def cut_tree(distance: npt.NDArray[np.float64], threshold: float, max_clusters: int) -> tuple[IntArray, IntArray]:
    """Return each symbol's cluster and place in Ward's tree.

    The tree is cut at height *threshold*, or higher if that gives more than *max_clusters*. Heights follow the
    Lance-Williams recurrence on the given distances, so that a group's height grows with its size.

    Args:
        distance: Distances of N symbols, shape (N, N), symmetric, the diagonal 0; used up when there are many.
        threshold: Height at which to cut.
        max_clusters: Most clusters.

    Returns:
        Labels from 1, numbered by first appearance in leaf order, and leaf positions from 0; each (N,).

    Source:
        Ward (1963); Bar-Joseph, Gifford and Jaakkola (2001) for the order of the leaves of small trees.
    """
    symbols = len(distance)
    if symbols == 1:
        return np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    tree = _tree(distance)
    merges = max(int((tree[:, 2] <= threshold).sum()), symbols - max_clusters)
    return read_tree(tree[:, :2].astype(np.int64).tolist(), merges)


def _tree(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return Ward's linkage; the trees of few symbols, which people look at, have their leaves in the best order."""
    if len(distance) > _ORDERED_UP_TO:
        from quantflow.quant.grouping.ward import ward  # numba

        return ward(distance)
    condensed = scipy.spatial.distance.squareform(distance, checks=False)
    return np.asarray(scipy.cluster.hierarchy.linkage(condensed, "ward", optimal_ordering=True))


def read_tree(children: list[list[int]], merges: int = 0) -> tuple[IntArray, IntArray]:
    """Return labels and leaf positions when the first *merges* rows of the tree, in order of height, are kept.

    Args:
        children: The two nodes that each row of the tree joins, as SciPy numbers them.
        merges: How many rows are kept: as many fewer clusters than symbols.

    Returns:
        Labels from 1, numbered by first appearance in leaf order, and leaf positions from 0; each (N,).
    """
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
        returns: Simple returns, shape (N, T), oldest first; NaN is a missing return.
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
        distance = distances(recent[usable], lookbacks, min_observations, shrinkage)
        labels[usable], order[usable] = cut_tree(distance, threshold, max_clusters)
    alone = np.arange(len(returns) - int(usable.sum()))
    labels[~usable] = labels.max(initial=0) + 1 + alone
    order[~usable] = int(usable.sum()) + alone
    return labels, order
