"""The errors of Sharpe ratios, against mpmath at 50 digits and scipy.stats, and against simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import erfinv, mp, mpf
from mpmath import sqrt as root
from scipy import stats

from quantflow.quant import metrics
from quantflow.quant.significance import (
    SharpeEstimate,
    deflated_sharpe,
    estimate,
    expected_best,
    figures,
    interval,
    min_track_record,
    probabilistic_sharpe,
    standard_error,
)

Draw = Callable[[np.random.Generator], Any]
STREAMS: dict[str, Draw] = {
    "normal": lambda rng: rng.normal(0.0005, 0.01, 1800),
    "fat tails": lambda rng: 0.01 * rng.standard_t(4, 700) + 0.0004,
    "skewed": lambda rng: rng.exponential(0.01, 400) - 0.009,
    "losing": lambda rng: rng.normal(-0.001, 0.02, 90),
    "short": lambda rng: rng.normal(0.001, 0.01, 5),
}


@pytest.fixture(params=STREAMS)
def stream(request: pytest.FixtureRequest) -> Any:
    """Returns of one kind."""
    return STREAMS[request.param](np.random.default_rng(7))


@pytest.fixture(autouse=True)
def _precise() -> Any:
    with mp.workdps(50):
        yield


class Exact:
    """The same figures from sums of powers of exact decimals, at 50 digits."""

    def __init__(self, returns: Any) -> None:
        values = [mpf(float(r)) for r in returns]
        self.n = len(values)
        mean = sum(values) / self.n
        second, third, fourth = (sum((v - mean) ** k for v in values) / self.n for k in (2, 3, 4))
        self.sharpe = mean / root(second * self.n / (self.n - 1))
        skew, kurt = third / root(second) ** 3, fourth / second**2
        self.bracket = 1 + self.sharpe**2 / 2 - skew * self.sharpe + (kurt - 3) / 4 * self.sharpe**2

    def probability(self, threshold: Any) -> Any:
        return mp.ncdf((self.sharpe - threshold) * root(self.n - 1) / root(self.bracket))


def quantile(p: Any) -> Any:
    return root(2) * erfinv(2 * p - 1)


def test_error_and_interval_are_those_of_mertens(stream: Any) -> None:
    """Error and 95 % interval agree with Mertens's formula at 50 digits to 1e-10, annualised by the square root."""
    exact, found = Exact(stream), figures(stream, 252)
    error = root(exact.bracket / exact.n) * root(252)
    assert found["sharpe_se"] == pytest.approx(float(error), rel=1e-10)
    middle, reach = exact.sharpe * root(252), quantile(mpf("0.975")) * error
    assert found["sharpe_low"] == pytest.approx(float(middle - reach), rel=1e-10, abs=1e-12)
    assert found["sharpe_high"] == pytest.approx(float(middle + reach), rel=1e-10, abs=1e-12)


def test_probability_and_track_record_are_those_of_bailey_and_lopez_de_prado(stream: Any) -> None:
    """The probabilistic Sharpe and the minimum track record agree with the papers' formulas at 50 digits."""
    exact, found = Exact(stream), figures(stream, 252)
    assert found["probabilistic_sharpe"] == pytest.approx(float(exact.probability(0)), rel=1e-10)
    if exact.sharpe > 0:
        least = 1 + exact.bracket * (quantile(mpf("0.95")) / exact.sharpe) ** 2
        assert found["min_track_record"] == pytest.approx(float(least), rel=1e-10)
    else:
        assert found["min_track_record"] is None


@pytest.mark.parametrize("trials", [2, 7, 100, 5000])
def test_deflation_is_that_of_bailey_and_lopez_de_prado(stream: Any, trials: int) -> None:
    """The deflated Sharpe agrees with the paper's formula at 50 digits, with the trials' sample variance."""
    ratios = np.random.default_rng(trials).normal(0.01, 0.02, trials)
    known = [mpf(float(ratio)) for ratio in ratios]
    mean = sum(known) / trials
    spread = root(sum((ratio - mean) ** 2 for ratio in known) / (trials - 1))
    n = mpf(trials)
    best = spread * ((1 - mp.euler) * quantile(1 - 1 / n) + mp.euler * quantile(1 - 1 / (n * mp.e)))
    found = estimate(stream)
    assert found is not None
    assert deflated_sharpe(found, list(ratios)) == pytest.approx(float(Exact(stream).probability(best)), rel=1e-10)


def test_the_papers_own_example() -> None:
    """100 trials of variance 1/2 a year, a Sharpe of 2.5 over 1,250 days, skewness -3, kurtosis 10: 0.9004.

    The example of Bailey and López de Prado (2014); the expected best is 0.1132 per day.
    """
    chosen = SharpeEstimate(2.5 / 250**0.5, 1250, -3.0, 10.0)
    assert expected_best(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(chosen, expected_best(100, 0.5 / 250)) == pytest.approx(0.9004, abs=5e-5)


def test_lo_is_the_normal_case() -> None:
    """Without skewness, at kurtosis 3, the error is Lo's: sqrt((1 + SR^2 / 2) / n)."""
    assert standard_error(SharpeEstimate(0.1, 500)) == pytest.approx(((1 + 0.005) / 500) ** 0.5, rel=1e-15)


def test_moments_are_those_of_scipy(stream: Any) -> None:
    """The estimate's moments are scipy.stats's population moments, and its ratio the one that metrics annualises."""
    found = estimate(stream)
    assert found is not None
    assert found.skewness == pytest.approx(stats.skew(stream), rel=1e-10)
    assert found.kurtosis == pytest.approx(stats.kurtosis(stream, fisher=False), rel=1e-10)
    assert found.ratio * 252**0.5 == pytest.approx(metrics.sharpe(stream, 252), rel=1e-14)


def test_the_interval_covers_the_truth() -> None:
    """Of 2,000 fat-tailed, skewed streams of 1,000 sessions, 95 % of the intervals hold the true ratio."""
    rng = np.random.default_rng(5)
    sample = rng.exponential(1.0, (2000, 1000))  # mean 1, sd 1, skewness 2, kurtosis 9
    truth = 0.2
    held = [low <= truth <= high for low, high in (interval(estimate(row - 0.8)) for row in sample)]  # type: ignore[arg-type]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_one_trial_deflates_nothing() -> None:
    """With a single trial the deflated Sharpe is the probabilistic one."""
    found = SharpeEstimate(0.05, 900, -0.4, 6.0)
    assert deflated_sharpe(found, [0.05]) == probabilistic_sharpe(found)


def test_nothing_is_said_without_risk() -> None:
    """Constant returns and single sessions have no Sharpe, and so nothing beside it."""
    assert set(figures(np.full(30, 0.01), 252).values()) == {None}
    assert set(figures(np.array([0.01]), 252).values()) == {None}
    assert min_track_record(SharpeEstimate(-0.1, 100)) is None
