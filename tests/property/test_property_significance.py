"""What holds for the significance of any Sharpe ratio."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

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

STREAMS = arrays.arrays(np.float64, st.integers(2, 60), elements=st.floats(-0.5, 0.5, width=32))


@st.composite
def estimates(draw: st.DrawFn) -> SharpeEstimate:
    """An estimate whose moments some distribution has."""
    skewness = draw(st.floats(-3, 3))
    kurtosis = 1.0 + skewness**2 + draw(st.floats(0.1, 20))
    return SharpeEstimate(draw(st.floats(-0.5, 0.5)), draw(st.integers(2, 10_000)), skewness, kurtosis)


@given(STREAMS, st.sampled_from([12, 252, 365]))
def test_figures_hold_together(returns: np.ndarray, year: int) -> None:
    """The interval is around the ratio and grows with the error; the probability is one; all is None or nothing is."""
    found, known = figures(returns, year), estimate(returns)
    if known is None:
        assert set(found.values()) == {None}
        return
    low, high, error = (found[name] for name in ("sharpe_low", "sharpe_high", "sharpe_se"))
    assert low is not None
    assert high is not None
    assert error is not None
    assert low <= known.ratio * sqrt(year) <= high
    assert high - low == pytest.approx(2 * 1.959963984540054 * error)
    probability = found["probabilistic_sharpe"]
    assert probability is None or 0.0 <= probability <= 1.0


@given(STREAMS, st.floats(0.25, 4.0))
def test_leverage_changes_nothing(returns: np.ndarray, times: float) -> None:
    """A stream held several times over has the same ratio, error and probability."""
    one, many = estimate(returns), estimate(returns * times)
    if one is not None and many is not None and returns.std() > 1e-6:
        assert many.ratio == pytest.approx(one.ratio, rel=1e-9, abs=1e-12)
        assert standard_error(many) == pytest.approx(standard_error(one), rel=1e-6, abs=1e-9)


@given(estimates(), st.floats(0.0, 0.4), st.floats(0.001, 0.2))
def test_a_higher_bar_is_cleared_less_surely(found: SharpeEstimate, threshold: float, more: float) -> None:
    """The probability falls as the threshold rises."""
    lower, higher = probabilistic_sharpe(found, threshold), probabilistic_sharpe(found, threshold + more)
    assert lower is not None
    assert higher is not None
    assert higher <= lower


@given(estimates(), st.floats(0.0, 0.2))
def test_the_minimum_track_record_is_just_enough(found: SharpeEstimate, threshold: float) -> None:
    """A record of the least length, with the same moments, is above the threshold with 95 % probability."""
    least = min_track_record(found, threshold)
    if found.ratio - threshold < 1e-4:
        return
    assert least is not None
    reached = SharpeEstimate(found.ratio, least, found.skewness, found.kurtosis)  # type: ignore[arg-type]
    assert probabilistic_sharpe(reached, threshold) == pytest.approx(0.95, abs=1e-9)


@given(estimates(), st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=40))
def test_trials_only_ever_deflate(found: SharpeEstimate, ratios: list[float]) -> None:
    """The deflated Sharpe is never above the probabilistic one, and no order of trials changes it."""
    deflated, plain = deflated_sharpe(found, ratios), probabilistic_sharpe(found)
    assert deflated is not None
    assert plain is not None
    assert deflated <= plain
    assert deflated_sharpe(found, ratios[::-1]) == pytest.approx(deflated, abs=1e-12)


@given(st.integers(2, 100_000), st.floats(1e-6, 1.0), st.integers(1, 1000))
def test_more_trials_expect_more(trials: int, variance: float, more: int) -> None:
    """The best that chance gives rises with the number of trials, and with their spread."""
    assert 0.0 < expected_best(trials, variance) < expected_best(trials + more, variance)
    assert expected_best(trials, 4 * variance) == pytest.approx(2 * expected_best(trials, variance))


@given(estimates(), st.floats(0.5, 0.98))
def test_more_confidence_is_wider(found: SharpeEstimate, confidence: float) -> None:
    """An interval of more confidence holds that of less."""
    low, high = interval(found, confidence)
    wider = interval(found, confidence + 0.01)
    assert wider[0] <= low <= high <= wider[1]
