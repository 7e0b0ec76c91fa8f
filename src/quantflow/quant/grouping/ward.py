"""Ward's tree by chains of nearest neighbours, in place on a square matrix, compiled."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from quantflow.quant.kernels import FloatArray, compiled

IntArray = npt.NDArray[np.int64]


def ward(distance: FloatArray) -> FloatArray:
    """Return the linkage of Ward's method, equal to SciPy's to the bit, ties included, and faster.

    SciPy copies the distances twice and reads half of them across its condensed triangle; here each search runs
    along a row of the square.

    Args:
        distance: Distances of N symbols, shape (N, N), symmetric, no NaN; used up.

    Returns:
        Linkage of shape (N - 1, 4) as of ``scipy.cluster.hierarchy.linkage``: the two clusters of each merge
        (below N a symbol, N + k the k-th merge), its height, its size; in order of height.

    Source:
        Murtagh (1983) for the chain; Lance and Williams (1967) for the update; Muellner (2011) for their order.
    """
    merges = np.empty((max(len(distance) - 1, 0), 3))
    np.fill_diagonal(distance, np.inf)
    _chain(distance, merges)
    order = np.argsort(merges[:, 2], kind="stable")
    return _labelled(merges[order])


@compiled
def _chain(distance: FloatArray, merges: FloatArray) -> None:
    """Merge mutual nearest neighbours until one cluster is left; a cluster is named by one of its symbols."""
    symbols = len(distance)
    size, alive = np.ones(symbols), np.arange(symbols)
    chain, length = np.empty(symbols, dtype=np.int64), 0
    for merge in range(symbols - 1):
        if length == 0:
            chain[0], length = alive[0], 1
        while True:
            x = chain[length - 1]
            y = _nearest(distance[x], alive, chain[length - 2] if length > 1 else x)
            if length == symbols or (length > 1 and y == chain[length - 2]):  # the first never, of symmetric distances
                break
            chain[length] = y
            length += 1
        length -= 2
        x, y = min(x, y), max(x, y)
        merges[merge, 0], merges[merge, 1], merges[merge, 2] = x, y, distance[x, y]
        alive = alive[alive != x]
        _join(distance, size, alive, x, y)
        size[y] += size[x]


@compiled
def _nearest(row: FloatArray, alive: IntArray, before: int) -> int:
    """Return the first of the nearest clusters; *before*, where the chain came from, goes before its equals."""
    nearest, distance = before, row[before]
    for i in alive:
        if row[i] < distance:
            nearest, distance = i, row[i]
    return nearest


@compiled
def _join(distance: FloatArray, size: FloatArray, alive: IntArray, x: int, y: int) -> None:
    """Give *y* the distances of x and y together."""
    apart = distance[x, y]
    for i in alive:
        if i != y:
            a, b, share = distance[x, i], distance[y, i], 1.0 / (size[x] + size[y] + size[i])
            squared = (size[i] + size[x]) * share * a * a + (size[i] + size[y]) * share * b * b
            distance[y, i] = distance[i, y] = math.sqrt(squared - size[i] * share * apart * apart)


@compiled
def _labelled(merges: FloatArray) -> FloatArray:
    """Return merges of symbols as merges of clusters, the lower name first, with sizes."""
    count = len(merges)
    parent, size, tree = np.arange(2 * count + 1), np.ones(2 * count + 1), np.empty((count, 4))
    for k in range(count):
        new = count + 1 + k
        a, b = _root(parent, int(merges[k, 0])), _root(parent, int(merges[k, 1]))
        parent[a] = parent[b] = new
        size[new] = size[a] + size[b]
        tree[k, 0], tree[k, 1], tree[k, 2], tree[k, 3] = min(a, b), max(a, b), merges[k, 2], size[new]
    return tree


@compiled
def _root(parent: IntArray, node: int) -> int:
    """Return the cluster that a symbol is in by now, and shorten the way to it."""
    root = node
    while parent[root] != root:
        root = parent[root]
    while parent[node] != root:
        parent[node], node = root, parent[node]
    return root
