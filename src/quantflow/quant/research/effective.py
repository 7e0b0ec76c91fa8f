"""How many trials there really were, when many of them resemble one another."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np
import numpy.typing as npt
import scipy  # its parts are loaded when they are used

from quantflow.quant.significance import NOISE

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

COMMON = 0.5
"""Mean correlation from which streams may be one trial: about half of their variance is in common."""

STRUCTURE = 0.25
"""Mean silhouette below which structure is not substantial (Kaufman and Rousseeuw 1990, Finding Groups in Data)."""

DRAWS = 4000
"""Of the simulation of the expected best: its error is below 0.01 standard deviations of a trial's ratio."""

SEED = 20140731


@dataclass(frozen=True, eq=False)
class Effective:
    """Clusters of N trials' return streams, and what their best is worth.

    Attributes:
        labels: The cluster of each trial, shape (N,), numbered by their first members; -1 for one that took no risk.
        ratios: The Sharpe ratio of each cluster's own stream, per session, shape (K,).
        equivalent: The number of independent trials whose best is expected to be as high as that of these, without
            skill; 0 for no trial.
    """

    labels: IntArray
    ratios: FloatArray
    equivalent: float

    @property
    def number(self) -> int:
        """K, the number of clusters: the effective number of trials."""
        return len(self.ratios)

    @property
    def variance(self) -> float:
        """The sample variance (K - 1) of the clusters' ratios, per session; 0 for fewer than two."""
        return float(self.ratios.var(ddof=1)) if self.number > 1 else 0.0


def effective(returns: FloatArray) -> Effective:
    """Return the clusters of trials that are variants of one another, and how many trials they amount to.

    The streams' correlations rho become distances sqrt((1 - rho) / 2); the trials are clustered by their rows of those,
    with the number of clusters whose silhouettes have the highest mean over standard deviation, and a cluster that is
    not close is clustered again. A cluster's stream weights its members by the inverse of their variance.

    The published procedure finds a few clusters among independent streams too (two among 200 of 500 sessions), which
    would make 200 trials two. Here clusters count only where there is substantial structure (mean silhouette of
    ``STRUCTURE``), and as one trial only with a mean correlation of ``COMMON``; where silhouettes show nothing,
    streams are joined by average linkage up to that correlation. Independent trials so remain trials, and variants of
    one, without structure among them, are one. Ward's tree stands in for k-means: it depends on no seed.

    ``equivalent`` is simulated with a fixed seed: the expected maximum of normal ratios with the streams' correlations,
    as a number of independent ones. Variants with a correlation of 0.5 are one cluster, yet the best of 200 of them is
    as good as the best of more than 20 independent ones: hence a ratio should survive both numbers.

    Args:
        returns: Simple returns of N trials on the same sessions, finite, shape (T, N).

    Source:
        López de Prado and Lewis (2019), Detection of false investment strategies using unsupervised learning methods.
    """
    deviation = returns.std(axis=0) if len(returns) > 1 else np.zeros(returns.shape[1])
    alive = np.flatnonzero(deviation > NOISE)
    labels = np.full(returns.shape[1], -1, dtype=np.int64)
    if not len(alive):
        return Effective(labels, np.empty(0), 0.0)
    streams = returns[:, alive]
    correlation = np.clip(np.atleast_2d(np.corrcoef(streams, rowvar=False)), -1.0, 1.0)
    groups = sorted(sorted(group.tolist()) for group in _clusters(correlation, np.arange(len(alive))))
    for number, group in enumerate(groups):
        labels[alive[group]] = number
    ratios = np.array([_ratio(streams[:, group]) for group in groups])
    return Effective(labels, ratios, _equivalent(correlation))


def _clusters(correlation: FloatArray, members: IntArray) -> list[IntArray]:
    """Return the clusters among some streams: by silhouettes, again within a loose one, or by linkage."""
    own = correlation[np.ix_(members, members)]
    distance = np.sqrt((1.0 - own) / 2.0)
    parts = _split(distance)
    if parts is None:
        return [members[part] for part in _linked(distance)]
    found = []
    for part in parts:
        close = _mean_correlation(own[np.ix_(part, part)]) >= COMMON
        found += [members[part]] if close else _clusters(correlation, members[part])
    return found


def _split(distance: FloatArray) -> list[IntArray] | None:
    """Return the clusters of the best quality; None where there is no substantial structure."""
    if len(distance) < 3:
        return None
    apart = scipy.spatial.distance.pdist(distance)
    tree = scipy.cluster.hierarchy.linkage(apart, "ward")
    mean, deviation = _silhouettes(scipy.spatial.distance.squareform(apart), tree)
    quality = np.where(mean >= STRUCTURE, mean / (deviation + NOISE), -np.inf)
    best = int(quality.argmax())
    if np.isneginf(quality[best]):
        return None
    return _parts(scipy.cluster.hierarchy.cut_tree(tree, n_clusters=best + 2)[:, 0])


def _linked(distance: FloatArray) -> list[IntArray]:
    """Return the clusters of average linkage whose streams are as close as those of a correlation of ``COMMON``."""
    if len(distance) < 2:
        return [np.arange(len(distance))]
    tree = scipy.cluster.hierarchy.linkage(scipy.spatial.distance.squareform(distance, checks=False), "average")
    return _parts(scipy.cluster.hierarchy.fcluster(tree, sqrt((1.0 - COMMON) / 2.0), "distance"))


def _parts(labels: IntArray) -> list[IntArray]:
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _mean_correlation(correlation: FloatArray) -> float:
    """Return the mean over pairs; 1 for a single stream."""
    n = len(correlation)
    return float((correlation.sum() - n) / (n * (n - 1))) if n > 1 else 1.0


def _silhouettes(apart: FloatArray, tree: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of the silhouettes of each cut of a tree into 2 to N - 1 clusters.

    The sums of distances from each point to each cluster are kept while the tree is built up, two columns becoming one
    with each merge, so that all cuts together cost O(N^3) additions. A point alone has a silhouette of 0.

    Source:
        Rousseeuw (1987), Silhouettes: a graphical aid to the interpretation and validation of cluster analysis.
    """
    n = len(apart)
    sums, sizes, own = apart.copy(), np.ones(n), np.arange(n)
    column = {node: node for node in range(n)}
    mean, deviation, every = np.zeros(n - 2), np.zeros(n - 2), np.arange(n)
    for step, (left, right) in enumerate(tree[: n - 2, :2].astype(int)):
        kept, gone = sorted((column.pop(left), column.pop(right)))
        last = n - 1 - step  # its column takes the place of the one that is gone
        sums[:, kept] += sums[:, gone]
        sizes[kept] += sizes[gone]
        own[own == gone] = kept
        sums[:, gone], sizes[gone] = sums[:, last], sizes[last]
        own[own == last] = gone
        column = {node: gone if place == last else place for node, place in column.items()}
        column[n + step] = kept
        others = sums[:, :last] / sizes[:last]
        others[every, own] = np.inf
        inside, outside = sums[every, own] / np.maximum(sizes[own] - 1.0, 1.0), others.min(axis=1)
        larger = np.maximum(inside, outside)
        alone = (sizes[own] == 1.0) | (larger == 0.0)
        values = np.where(alone, 0.0, (outside - inside) / np.where(alone, 1.0, larger))
        mean[last - 2], deviation[last - 2] = values.mean(), values.std()
    return mean, deviation


def _ratio(streams: FloatArray) -> float:
    """Return the Sharpe ratio, per session, of a cluster's streams weighted by their inverse variances."""
    weights = 1.0 / streams.var(axis=0)
    stream = streams @ (weights / weights.sum())
    deviation = float(stream.std(ddof=1))
    return float(stream.mean()) / deviation if deviation > NOISE else 0.0


def _equivalent(correlation: FloatArray) -> float:
    """Return the number of independent normal variables with the expected maximum of correlated ones, in [1, N]."""
    n = len(correlation)
    values, vectors = np.linalg.eigh(correlation)
    normal = np.random.default_rng(SEED).standard_normal((DRAWS // 2, n))
    drawn = normal @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    best = float((drawn.max(axis=1) - drawn.min(axis=1)).mean()) / 2.0  # a draw and its opposite
    if best <= _expected_maximum(1.0) or n == 1:
        return 1.0
    if best >= _expected_maximum(float(n)):
        return float(n)
    return float(scipy.optimize.brentq(lambda number: _expected_maximum(number) - best, 1.0, n, xtol=1e-6))


def _expected_maximum(number: float) -> float:
    """Return the mean of the maximum of *number* >= 1 independent standard normal variables: int x dPhi(x)^n."""
    place = np.linspace(-9.0, 9.0, 1801)
    density = np.exp((number - 1.0) * scipy.special.log_ndtr(place) - place**2 / 2.0) * number / sqrt(2.0 * pi)
    values = place * density
    return float(((values[1:] + values[:-1]) * np.diff(place)).sum() / 2.0)  # trapezoids
