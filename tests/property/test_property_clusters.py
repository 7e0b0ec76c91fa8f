"""Invariants of the clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from quantflow.quant.clusters import cluster
from quantflow.quant.grouping.correlations import correlations, distances
from quantflow.quant.grouping.ward import ward


@st.composite
def markets(draw: st.DrawFn) -> np.ndarray:
    """Return returns of 2 to 15 symbols with common factors, some holes, and perhaps a constant symbol."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    symbols, sessions = draw(st.integers(2, 15)), draw(st.integers(30, 120))
    returns = 0.01 * (rng.normal(size=(symbols, 2)) @ rng.normal(size=(2, sessions)))
    returns += 0.01 * rng.normal(size=returns.shape)
    returns[rng.random(returns.shape) < draw(st.sampled_from([0.0, 0.05, 0.6]))] = np.nan
    if draw(st.booleans()):
        returns[0] = 0.0
    return returns


@settings(max_examples=40)
@given(returns=markets(), ceiling=st.integers(1, 6), threshold=st.floats(0.05, 2.0))
def test_labels_and_order_are_complete(returns: np.ndarray, ceiling: int, threshold: float) -> None:
    """Labels run from 1 in leaf order, order is a permutation, and the ceiling holds for the tree."""
    labels, order = cluster(returns, (30, 60), 20, None, threshold, ceiling)
    assert sorted(order) == list(range(len(returns)))
    along = labels[np.argsort(order)]
    assert along[0] == 1
    assert set(np.diff(along)) <= {0, 1}
    alone = np.isfinite(returns[:, -60:]).sum(axis=1) < 20
    alone |= np.nanstd(np.where(np.isfinite(returns), returns, np.nan)[:, -60:], axis=1) == 0.0
    assert len(set(labels[~alone])) <= ceiling
    assert len(set(labels[alone])) == alone.sum()


@settings(max_examples=40)
@given(returns=markets(), shrinkage=st.sampled_from([None, 0.0, 0.3, 1.0]))
def test_distances_are_bounded_and_symmetric(returns: np.ndarray, shrinkage: float | None) -> None:
    """Distances lie in [0, 1] and correlations are symmetric, holes or not."""
    found = distances(returns, (30, 60), 10, shrinkage)
    assert ((found >= 0.0) & (found <= 1.0)).all()
    rho, _ = correlations(returns)
    np.testing.assert_allclose(rho, rho.T, atol=1e-12)


@settings(max_examples=40)
@given(returns=markets())
def test_one_hole_far_back_hardly_matters(returns: np.ndarray) -> None:
    """The dense and the pairwise path agree where they see the same sessions."""
    whole = np.nan_to_num(returns)
    padded = np.hstack([np.full((len(whole), 1), np.nan), whole])
    np.testing.assert_allclose(correlations(padded)[0], correlations(whole)[0], atol=1e-9)


@settings(max_examples=30)
@given(returns=markets(), data=st.data())
def test_distances_follow_the_symbols_and_ignore_leverage(returns: np.ndarray, data: st.DataObject) -> None:
    """Another order of symbols permutes the distances; scaling a symbol's returns changes nothing."""
    turn = data.draw(st.permutations(range(len(returns))))
    plain = distances(returns, (60,), 20)
    turned = distances(returns[turn] * 3.0, (60,), 20)
    np.testing.assert_allclose(turned, plain[np.ix_(turn, turn)], atol=1e-7)


@pytest.mark.parametrize("threshold", [0.3, 0.7])
@settings(max_examples=30)
@given(returns=markets())
def test_the_same_returns_give_the_same_bytes(threshold: float, returns: np.ndarray) -> None:
    """No randomness, no dependence on memory layout."""
    first = cluster(returns, (30, 60), 20, None, threshold, 5)
    again = cluster(np.asfortranarray(returns), (30, 60), 20, None, threshold, 5)
    assert [a.tobytes() for a in first] == [a.tobytes() for a in again]


@st.composite
def distance_matrices(draw: st.DrawFn) -> np.ndarray:
    """Return symmetric distances of 2 to 40 symbols: smooth ones, rounded ones with many ties, or all equal."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    points = rng.normal(size=(draw(st.integers(2, 40)), draw(st.integers(1, 4))))
    distance = np.sqrt(((points[:, None] - points) ** 2).sum(axis=-1))
    steps = draw(st.sampled_from([0, 1, 4]))
    if steps:
        distance = np.round(distance * steps) / steps
    if draw(st.booleans()) and draw(st.booleans()):
        distance = np.ones_like(distance)
    np.fill_diagonal(distance, 0.0)
    return np.maximum(distance, distance.T)


@settings(max_examples=150)
@given(distance=distance_matrices())
def test_the_tree_is_that_of_scipy(distance: np.ndarray) -> None:
    """The compiled linkage is SciPy's: the same merges in the same order, ties included, heights to 1e-12."""
    expected = linkage(squareform(distance, checks=False), "ward")
    found = ward(distance.copy())
    np.testing.assert_array_equal(found[:, [0, 1, 3]], expected[:, [0, 1, 3]])
    np.testing.assert_allclose(found[:, 2], expected[:, 2], rtol=1e-12)
