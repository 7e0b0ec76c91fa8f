"""Covariances of which the correlations alone are shrunk; imported where skfolio is, which takes a second."""

from __future__ import annotations

from typing import Any

import numpy as np
from skfolio.moments import BaseCovariance
from sklearn.base import clone


class ShrunkCorrelations(BaseCovariance):  # type: ignore[misc]
    """A covariance from an estimator of returns that are scaled to a variance of 1, and the sample's own variances.

    Shrinking toward a multiple of the identity takes variances for noise where names hardly move together: calm and
    wild ones would come out alike. On scaled returns it shrinks correlations toward 0, and no variance.

    Args:
        estimator: A covariance estimator of skfolio.
    """

    def __init__(self, estimator: BaseCovariance) -> None:
        super().__init__()
        self.estimator = estimator

    def fit(self, X: Any, y: None = None, **parameters: Any) -> ShrunkCorrelations:
        """Fit to returns, shape (T, N), finite, no column constant."""
        returns = np.asarray(X, dtype=np.float64)
        deviation = returns.std(axis=0, ddof=1)
        shrunk = clone(self.estimator).fit(returns / deviation).covariance_
        correlation = shrunk / np.sqrt(np.outer(shrunk.diagonal(), shrunk.diagonal()))
        self._set_covariance(correlation * np.outer(deviation, deviation))
        return self
