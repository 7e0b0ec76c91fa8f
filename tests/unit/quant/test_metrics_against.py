"""Figures beside a benchmark, against scipy and definitions written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from quantflow.errors import DataError
from quantflow.quant.metrics import against

RNG = np.random.default_rng(11)
BENCHMARK = RNG.normal(0.0004, 0.01, 800)
RETURNS = 0.0001 + 0.7 * BENCHMARK + RNG.normal(0.0, 0.004, 800)


def test_beta_and_alpha_are_those_of_a_regression() -> None:
    """Beta is the slope and alpha the intercept, times sessions per year, of least squares."""
    fitted = stats.linregress(BENCHMARK, RETURNS)
    found = against(RETURNS, BENCHMARK, 252)
    assert found["beta"] == pytest.approx(fitted.slope, rel=1e-10)
    assert found["alpha"] == pytest.approx(fitted.intercept * 252, rel=1e-9)


def test_tracking_error_and_information_ratio_are_of_the_difference() -> None:
    """Both are the deviation and the Sharpe ratio of the difference, annualised."""
    found = against(RETURNS, BENCHMARK, 252)
    difference = [float(r) - float(b) for r, b in zip(RETURNS, BENCHMARK, strict=True)]
    mean = sum(difference) / 800
    deviation = (sum((d - mean) ** 2 for d in difference) / 799) ** 0.5
    assert found["tracking_error"] == pytest.approx(deviation * 252**0.5, rel=1e-10)
    assert found["information_ratio"] == pytest.approx(mean / deviation * 252**0.5, rel=1e-8)


def test_capture_is_the_share_of_rises_and_falls() -> None:
    """Where the benchmark rises 1 % a session and the stream 0.5 %, half is captured; of falls likewise."""
    found = against(np.array([0.005, -0.02, 0.005, 0.3]), np.array([0.01, -0.01, 0.01, 0.0]), 252)
    assert found["up_capture"] == pytest.approx(0.5)
    assert found["down_capture"] == pytest.approx(2.0)
    uneven = against(np.array([0.21, 0.0]), np.array([0.1, 0.1]), 252)
    assert uneven["up_capture"] == pytest.approx((1.21**0.5 - 1) / 0.1)


def test_a_stream_is_its_own_benchmark() -> None:
    """Beta and captures are 1, alpha and tracking error 0, and there is no information ratio."""
    found = against(BENCHMARK, BENCHMARK, 252)
    assert [found[name] for name in ("beta", "up_capture", "down_capture")] == pytest.approx([1.0, 1.0, 1.0])
    assert found["alpha"] == pytest.approx(0.0, abs=1e-15)
    assert (found["tracking_error"], found["information_ratio"]) == (0.0, None)


def test_what_is_undefined_is_none() -> None:
    """A benchmark that stands still has no beta and no capture; one session has no deviation."""
    still = against(RETURNS, np.zeros(800), 252)
    assert [still[name] for name in ("beta", "alpha", "up_capture", "down_capture")] == [None] * 4
    assert against(np.array([0.1]), np.array([0.1]), 252)["tracking_error"] is None


def test_streams_must_be_of_the_same_sessions() -> None:
    """Streams of different lengths, and none, are refused."""
    for ours, theirs in ((RETURNS, BENCHMARK[1:]), (RETURNS[:0], BENCHMARK[:0])):
        with pytest.raises(DataError):
            against(ours, theirs, 252)
