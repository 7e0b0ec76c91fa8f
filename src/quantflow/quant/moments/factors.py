"""Covariances from the factors that returns themselves show; imported where skfolio is, which takes a second."""

from __future__ import annotations

from typing import Any

import numpy as np
from skfolio.moments import BaseCovariance


class FactorCovariance(BaseCovariance):  # type: ignore[misc]
    """What a few principal components explain together, and to each name its own remaining variance.

    The components are those of the correlations whose eigenvalue is above (1 + sqrt(N / T))^2, the largest that noise
    alone gives (Marchenko and Pastur 1967), at least one; what is left is taken to be uncorrelated, and each name keeps
    the sample's variance. skfolio's own factor models regress on returns of factors that are given, which a universe of
    prices does not have.

    Source:
        Chamberlain and Rothschild (1983), Arbitrage, Factor Structure, and Mean-Variance Analysis; for how many, Laloux
        et al. (1999), Noise Dressing of Financial Correlation Matrices.
    """

    def __init__(self) -> None:
        super().__init__()

    def fit(self, X: Any, y: None = None, **parameters: Any) -> FactorCovariance:
        """Fit to returns, shape (T, N), finite, no column constant."""
        returns = np.asarray(X, dtype=np.float64)
        sessions, names = returns.shape
        deviation = returns.std(axis=0, ddof=1)
        values, vectors = np.linalg.eigh(np.corrcoef(returns.T))
        noise = (1.0 + np.sqrt(names / sessions)) ** 2
        count = max(1, int((values > noise).sum()))
        common = (vectors[:, -count:] * values[-count:]) @ vectors[:, -count:].T
        np.fill_diagonal(common, 1.0)
        self._set_covariance(common * np.outer(deviation, deviation))
        self.factors_ = count
        return self
