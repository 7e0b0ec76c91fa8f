"""What is computed directly agrees with skfolio."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfolio.moments import LedoitWolf
from skfolio.optimization import HierarchicalRiskParity, InverseVolatility

from quantflow.quant.hierarchical import inverse_volatility, risk_parity_of_halves
from quantflow.quant.limits import Limits
from quantflow.quant.moments.estimators import COVARIANCES, DEFAULT, MEANS, Estimators, covariance, means, prior
from quantflow.quant.moments.ledoit_wolf import intensity, shrunk_correlations
from quantflow.quant.moments.shrinkage import ShrunkCorrelations
from quantflow.quant.optimum import exact


def returns(seed: int, names: int, sessions: int) -> np.ndarray:
    """Returns with three common causes, of calm and wild names."""
    draw = np.random.default_rng(seed)
    common = draw.standard_normal((sessions, 3)) @ draw.standard_normal((3, names))
    own = draw.standard_normal((sessions, names)) * draw.uniform(0.3, 3.0, names)
    return np.asarray(0.01 * (common + own))


markets = st.builds(returns, st.integers(0, 2**32 - 1), st.integers(2, 25), st.integers(60, 400))


@pytest.mark.parametrize("chosen", [Estimators("shrunk"), Estimators("empirical"), Estimators("oas")])
@given(made=markets)
@settings(max_examples=25)
def test_weights_are_skfolios(chosen: Estimators, made: np.ndarray) -> None:
    """Hierarchical risk parity and inverse volatility, to 1e-12, whatever estimates the covariance."""
    known = covariance(made, chosen)
    expected = HierarchicalRiskParity(prior_estimator=prior(chosen)).fit(made).weights_
    np.testing.assert_allclose(risk_parity_of_halves(made, known), expected, rtol=0, atol=1e-12)
    plain = InverseVolatility(prior_estimator=prior(chosen)).fit(made).weights_
    np.testing.assert_allclose(inverse_volatility(known), plain, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("name", COVARIANCES)
def test_estimates_are_those_of_skfolios_prior(name: str, mean: str) -> None:
    """Each covariance to 1e-12 of the variances, and each mean to 1e-12 of the largest."""
    made, chosen = returns(7, 12, 300), Estimators(name, mean)
    known = prior(chosen).fit(made).return_distribution_
    scale = float(known.covariance.diagonal().max())
    np.testing.assert_allclose(covariance(made, chosen), known.covariance, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(means(made, chosen), known.mu, rtol=0, atol=1e-12 * float(np.abs(known.mu).max()))


@given(made=markets)
@settings(max_examples=25)
def test_the_optimum_is_that_of_skfolios_estimates(made: np.ndarray) -> None:
    """Least variance and the largest Sharpe ratio on our default estimates, and on skfolio's, to 1e-12."""
    made = made - made.mean(axis=0) + 0.001
    limits, known = Limits(made.shape[1]), prior(DEFAULT).fit(made).return_distribution_
    for mine, theirs in ((None, None), (means(made, DEFAULT), known.mu)):
        expected = exact(known.covariance, theirs, limits)
        found = exact(covariance(made, DEFAULT), mine, limits)
        assert expected is not None
        assert found is not None
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@given(made=markets)
@settings(max_examples=25)
def test_the_shrunk_covariance_is_skfolios(made: np.ndarray) -> None:
    """Each entry, to 1e-12 of the variances."""
    expected = ShrunkCorrelations(LedoitWolf()).fit(made).covariance_
    found = shrunk_correlations(made)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * float(expected.diagonal().max()))


def test_what_is_all_noise_is_shrunk_wholly() -> None:
    """The share is a share: 0 where the sample is known, 1 where it says nothing."""
    noise = returns(1, 2, 10_000)
    centred = noise - noise.mean(axis=0)
    assert 0.0 <= intensity(centred, centred.T @ centred / len(centred)) <= 1.0
    same = np.tile(np.array([[1.0], [-1.0]]), (50, 2))
    assert intensity(same, same.T @ same / len(same)) == 0.0


def test_the_default_method_needs_no_skfolio() -> None:
    """A process that allocates without a solver, with the default covariance, imports neither skfolio nor its needs."""
    code = (
        "import sys, numpy as np\n"
        "from quantflow.quant.hierarchical import risk_parity_of_halves\n"
        "from quantflow.quant.moments.estimators import DEFAULT, covariance\n"
        "rows = np.random.default_rng(0).standard_normal((100, 4))\n"
        "risk_parity_of_halves(rows, covariance(rows, DEFAULT))\n"
        "from quantflow.quant.allocation import optimise\n"
        "from quantflow.quant.limits import Limits\n"
        "for method in ('min_variance', 'max_sharpe'):\n"
        "    optimise(method, rows + 0.1, Limits(4, high=0.4))\n"
        "assert not {'skfolio', 'sklearn', 'cvxpy', 'plotly'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
