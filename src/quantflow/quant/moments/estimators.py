"""How covariances and means are estimated, through skfolio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from quantflow.quant.moments.ledoit_wolf import shrunk_correlations

FloatArray = npt.NDArray[np.float64]

HALF_LIFE = 63
"""Sessions after which a return counts half in an exponential estimate: a quarter of a year."""


@dataclass(frozen=True)
class Estimators:
    """A choice of estimators.

    Attributes:
        covariance: A name of ``COVARIANCES``.
        mean: A name of ``MEANS``.
    """

    covariance: str = "shrunk"
    mean: str = "empirical"


DEFAULT = Estimators()

COVARIANCES: Mapping[str, Callable[[Any], Any]] = {
    "empirical": lambda moments: moments.EmpiricalCovariance(),
    "shrunk": lambda moments: _of_correlations(moments.LedoitWolf()),
    "oas": lambda moments: _of_correlations(moments.OAS()),
    "exponential": lambda moments: moments.EWCovariance(half_life=HALF_LIFE),
    "denoised": lambda moments: moments.DenoiseCovariance(),
    "factor": lambda moments: _of_factors(),
}
"""Given ``skfolio.moments``: the sample's; with correlations shrunk toward 0 as far as Ledoit and Wolf (2004), or the
oracle approximation of Chen et al. (2010), say, and the sample's variances; exponentially weighted around 0; with the
eigenvalues that noise explains averaged, López de Prado (2020); of the factors that stand out of noise, the rest being
each name's own."""

MEANS: Mapping[str, Callable[[Any, Any], Any]] = {
    "empirical": lambda moments, covariance: moments.EmpiricalMu(),
    "shrunk": lambda moments, covariance: moments.ShrunkMu(covariance_estimator=covariance),
    "exponential": lambda moments, covariance: moments.EWMu(half_life=HALF_LIFE),
}
"""Given ``skfolio.moments`` and the covariance estimator: the sample's; shrunk toward their mean, James and Stein
(1961); exponentially weighted."""


def _of_correlations(estimator: Any) -> Any:
    from quantflow.quant.moments.shrinkage import ShrunkCorrelations

    return ShrunkCorrelations(estimator)


def _of_factors() -> Any:
    from quantflow.quant.moments.factors import FactorCovariance

    return FactorCovariance()


def prior(chosen: Estimators) -> Any:
    """Return skfolio's prior estimator of a choice."""
    from skfolio import moments
    from skfolio.prior import EmpiricalPrior

    covariance = COVARIANCES[chosen.covariance](moments)
    return EmpiricalPrior(mu_estimator=MEANS[chosen.mean](moments, covariance), covariance_estimator=covariance)


def covariance(returns: FloatArray, chosen: Estimators) -> FloatArray:
    """Return the covariance of a choice, shape (N, N).

    Args:
        returns: Simple returns, shape (T, N), finite, no column constant.
        chosen: How it is estimated.
    """
    if chosen.covariance == DEFAULT.covariance:
        return shrunk_correlations(returns)
    from skfolio import moments
    from sklearn import config_context

    with config_context(assume_finite=True, skip_parameter_validation=True):
        return np.asarray(COVARIANCES[chosen.covariance](moments).fit(returns).covariance_)


def means(returns: FloatArray, chosen: Estimators) -> FloatArray:
    """Return the mean returns of a choice, shape (N,).

    Args:
        returns: Simple returns, shape (T, N), finite, no column constant.
        chosen: How they are estimated, and the covariance that shrinking them looks at.
    """
    if chosen.mean == DEFAULT.mean:
        return np.asarray(returns.mean(axis=0))
    from sklearn import config_context

    with config_context(assume_finite=True, skip_parameter_validation=True):
        return np.asarray(prior(chosen).fit(returns).return_distribution_.mu)
