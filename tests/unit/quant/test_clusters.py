"""Clusters: correlations, distances and the cut, against pandas, scipy and hand-made markets."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from quantflow.config.sections import ClustersConfig
from quantflow.quant.clusters import cluster, cut_tree
from quantflow.quant.grouping.correlations import (
    UNCORRELATED,
    clusterable,
    correlations,
    distances,
    shrinkage_intensity,
)


def market(groups: int, size: int, sessions: int = 300, seed: int = 0) -> np.ndarray:
    """Return returns of *groups* blocks of *size* symbols that share a factor."""
    rng = np.random.default_rng(seed)
    factor = np.repeat(rng.normal(size=(groups, sessions)), size, axis=0)
    return 0.01 * (factor + 0.5 * rng.normal(size=factor.shape)) + 0.0005


def holes(returns: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Return the returns with a share of them missing."""
    return np.where(np.random.default_rng(9).random(returns.shape) < share, np.nan, returns)


@pytest.mark.parametrize("prepare", [lambda r: r, holes], ids=["dense", "holes"])
def test_correlations_are_those_of_pandas(prepare) -> None:
    """Pairwise-complete correlations agree with a library that loops over pairs."""
    returns = prepare(market(3, 4))
    rho, common = correlations(returns)
    expected = pd.DataFrame(returns.T).corr().to_numpy(copy=True)
    np.fill_diagonal(expected, np.nan)
    np.testing.assert_allclose(rho, expected, atol=1e-12)
    present = np.isfinite(returns).astype(float)
    np.testing.assert_array_equal(np.broadcast_to(common, rho.shape), present @ present.T)


def test_single_precision_is_close() -> None:
    """Large markets are computed in float32, to a few units of its last place."""
    returns = holes(market(3, 4))
    np.testing.assert_allclose(correlations(returns.astype(np.float32))[0], correlations(returns)[0], atol=1e-5)


def test_the_caller_keeps_its_returns() -> None:
    """Nothing is changed in place."""
    returns = holes(market(2, 3))
    before = returns.copy()
    cluster(returns, (63, 126), 40, None, 0.7, 25)
    np.testing.assert_array_equal(returns, before)


def test_shrinkage_intensity_by_hand() -> None:
    """Schaefer and Strimmer's ratio with the normal variance, on one pair."""
    rho = np.array([[np.nan, 0.5], [0.5, np.nan]])
    assert shrinkage_intensity(rho, np.asarray(101.0)) == pytest.approx((0.75**2 / 100) / 0.25)
    assert shrinkage_intensity(np.full((2, 2), np.nan), np.asarray(9.0)) == 0.0
    assert shrinkage_intensity(rho * 0.0, np.asarray(9.0)) == 1.0


def test_noise_is_shrunk_more_than_signal() -> None:
    """The estimated share is near 1 for independent returns and near 0 for strong blocks."""
    noise = np.random.default_rng(1).normal(size=(30, 100))
    blocks = market(2, 15, 100)
    assert shrinkage_intensity(*correlations(noise)) > 0.7
    assert shrinkage_intensity(*correlations(blocks)) < 0.05


def test_distances_are_the_mean_over_windows() -> None:
    """One formula per window, averaged; a window longer than the history is the history."""
    returns = market(2, 3, 150)
    expected = np.zeros((6, 6))
    for window in (60, 120, 150):
        rho = np.corrcoef(returns[:, -window:]) * 0.8
        expected += np.sqrt((1 - rho) / 2) / 3
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(distances(returns, (60, 120, 500), 40, 0.2), expected, rtol=1e-12)


def test_a_pair_counts_only_in_windows_that_it_fills() -> None:
    """A symbol without recent returns is judged by the longer window alone."""
    returns = market(1, 3, 250)
    returns[0, -63:] = np.nan
    both = distances(returns, (63, 250), 40, 0.0)
    long = distances(returns, (250,), 40, 0.0)
    assert both[0, 1] == long[0, 1]
    assert both[1, 2] != long[1, 2]


def test_a_pair_that_never_meets_is_uncorrelated() -> None:
    """Without common sessions the distance is that of independence."""
    returns = market(1, 2, 200)
    returns[0, :100], returns[1, 100:] = np.nan, np.nan
    assert distances(returns, (200,), 40, 0.0)[0, 1] == pytest.approx(UNCORRELATED)


@pytest.mark.parametrize("threshold", [0.4, 0.6, 0.8, 1.5])
def test_the_cut_is_that_of_scipy(threshold: float) -> None:
    """The same partition as ``fcluster`` at the same height."""
    distance = distances(market(4, 5), (126,), 40)
    expected = fcluster(linkage(squareform(distance), "ward"), threshold, "distance")
    labels, _ = cut_tree(distance, threshold, 100)
    np.testing.assert_array_equal(labels[:, None] == labels, expected[:, None] == expected)


def test_blocks_come_out_as_clusters() -> None:
    """A market of four clear groups has four clusters, each together in leaf order."""
    labels, order = cluster(market(4, 5), (63, 126), 40, None, 0.7, 25)
    assert len(set(labels)) == 4
    assert all(len(set(labels[k : k + 5])) == 1 for k in range(0, 20, 5))
    assert sorted(order) == list(range(20))
    assert (np.diff(labels[np.argsort(order)]) >= 0).all()


def test_max_clusters_is_a_ceiling() -> None:
    """However low the threshold, the tree gives no more clusters."""
    labels, _ = cluster(market(4, 5), (63,), 40, None, 1e-6, 6)
    assert labels.max() == 6


def test_thin_and_constant_symbols_stand_alone_at_the_end() -> None:
    """They are clusters of their own, beside the ceiling, in the order of the symbols."""
    returns = market(2, 3, 120)
    returns[1, :100], returns[4] = np.nan, 0.0
    labels, order = cluster(returns, (120,), 40, None, 0.7, 2)
    assert labels.tolist() == [labels[0], 3, labels[0], labels[3], 4, labels[3]]
    assert {labels[0], labels[3]} == {1, 2}
    assert order[[1, 4]].tolist() == [4, 5]
    assert clusterable(returns, 40).tolist() == [True, False, True, True, False, True]


@pytest.mark.parametrize("symbols", [0, 1, 2])
def test_tiny_markets(symbols: int) -> None:
    """No symbols, one symbol and two are fine."""
    labels, order = cluster(market(1, 2)[:symbols], (63,), 40, None, 0.9, 5)
    assert labels.tolist() == [1] * symbols
    assert order.tolist() == list(range(symbols))


@pytest.mark.parametrize("prepare", [lambda r: r, holes], ids=["dense", "holes"])
@pytest.mark.parametrize("shrinkage", [None, 0.2])
def test_chunks_change_nothing(prepare, shrinkage: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distances that are computed some symbols at a time, on threads, are those of the formula on whole matrices."""
    returns = prepare(market(3, 7, 150))
    expected = np.zeros((21, 21))
    for window in (60, 150):
        rho, common = correlations(returns[:, -window:])
        kept = 1 - (shrinkage_intensity(rho, common) if shrinkage is None else shrinkage)
        expected += np.sqrt((1 - kept * rho) / 2) / 2
    np.fill_diagonal(expected, 0.0)
    monkeypatch.setattr("quantflow.quant.grouping.correlations._CHUNK", 4)
    np.testing.assert_allclose(distances(returns, (60, 150), 20, shrinkage), expected, atol=1e-12)


@pytest.mark.parametrize("kernel", ["Haswell", "Nehalem"])
def test_distances_are_symmetric_on_other_cpus(kernel: str) -> None:
    """The two halves of a product differ in their last bits there; Ward's chain would run in circles of ties."""
    code = """
import numpy as np
from quantflow.quant.grouping.correlations import distances
for seed in range(5):
    rng = np.random.default_rng(seed)
    for symbols, sessions in ((127, 61), (61, 127), (33, 61)):
        returns = rng.normal(size=(symbols, sessions))
        returns[rng.random(returns.shape) < 0.1] = np.nan
        found = distances(returns, (sessions,), 10)
        assert np.array_equal(found, found.T), (seed, symbols, sessions)
"""
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_large_market_is_near_the_small_ones_formula() -> None:
    """Above 1,000 symbols correlations are float32: distances agree to a few units of its last place."""
    returns = market(10, 101, 70)
    small = distances(returns[:1_000], (63,), 40, 0.1)
    large = distances(returns, (63,), 40, 0.1)[:1_000, :1_000]
    assert 0.0 < np.abs(large - small).max() < 1e-6


def test_a_large_tree_is_cut_like_a_small_one() -> None:
    """Above 100 symbols the compiled linkage gives the partition of SciPy's."""
    distance = distances(market(12, 11, 150), (126,), 40)
    expected = fcluster(linkage(squareform(distance), "ward"), 0.7, "distance")
    labels, order = cut_tree(distance, 0.7, 100)
    np.testing.assert_array_equal(labels[:, None] == labels, expected[:, None] == expected)
    assert sorted(order) == list(range(132))


def test_windows_must_hold_the_fewest_observations() -> None:
    """A lookback that could never count is refused."""
    with pytest.raises(ValueError, match="shortest lookback, 30"):
        ClustersConfig(lookbacks=(30, 252), min_observations=40)
