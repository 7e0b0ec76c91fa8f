"""Hierarchical risk parity and inverse volatility of a covariance: what needs no solver, computed directly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quantflow.quant.clusters import read_tree

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def inverse_volatility(covariance: FloatArray) -> FloatArray:
    """Return weights in inverse proportion to volatility, summing to 1, shape (N,).

    Args:
        covariance: Of N names, shape (N, N), with positive variances.
    """
    inverse = 1.0 / np.sqrt(covariance.diagonal())
    return np.asarray(inverse / inverse.sum())


def risk_parity_of_halves(returns: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return the weights of hierarchical risk parity, summing to 1, shape (N,); skfolio's within rounding.

    Names are put in the order of the leaves of Ward's tree of their correlations, such that neighbours are as near as
    can be. That order is halved again and again, and each half gets capital in inverse proportion to the variance of
    its inverse-variance portfolio.

    Args:
        returns: Simple returns, shape (T, N), finite, no column constant; the correlations are theirs.
        covariance: Of the N names, shape (N, N), with positive variances.

    Source:
        López de Prado (2016); Bar-Joseph et al. (2001) for the order of the leaves.
    """
    order = leaves(returns)
    ordered = covariance[np.ix_(order, order)]
    weights = np.empty(len(order))
    weights[order] = _halved(ordered)
    return weights


def leaves(returns: FloatArray) -> IntArray:
    """Return the names, shape (N,), in the order in which neighbours are nearest in Ward's tree of correlations.

    Args:
        returns: Simple returns, shape (T, N), finite, no column constant.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    correlation = np.corrcoef(returns.T)
    distance = squareform(np.sqrt(np.clip(0.5 * (1.0 - correlation), 0.0, 1.0)), checks=False)
    tree = hierarchy.linkage(distance, method="ward", optimal_ordering=True)
    return np.asarray(read_tree(tree[:, :2].astype(np.int64).tolist())[1].argsort())


def _halved(covariance: FloatArray) -> FloatArray:
    """Return weights of names in their order, from the whole down to single names."""
    inverse = 1.0 / covariance.diagonal()
    weights = np.ones(len(covariance))
    parts = [(0, len(covariance))]
    while parts:
        start, end = parts.pop()
        if end - start < 2:
            continue
        middle = start + (end - start) // 2
        left, right = (_variance(covariance[a:b, a:b], inverse[a:b]) for a, b in ((start, middle), (middle, end)))
        share = 1.0 - left / (left + right)
        weights[start:middle] *= share
        weights[middle:end] *= 1.0 - share
        parts += [(start, middle), (middle, end)]
    return weights


def _variance(covariance: FloatArray, inverse: FloatArray) -> float:
    """Return the variance of the portfolio whose weights are in proportion to *inverse*."""
    weights = inverse / inverse.sum()
    return float(weights @ covariance @ weights)
