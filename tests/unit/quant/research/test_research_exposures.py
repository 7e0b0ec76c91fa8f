"""Betas, group weights and tilts, beside independent rebuilds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantflow.quant.metrics import beta
from quantflow.quant.research.exposures import beta_of, betas, grouped, tilts


def test_betas_are_slopes() -> None:
    """With holes each equals numpy's covariance over variance, on the sessions that both have."""
    rng = np.random.default_rng(0)
    benchmark = rng.normal(0, 0.01, 300)
    returns = np.outer([0.5, 1.0, -0.3], benchmark) + rng.normal(0, 0.01, (3, 300))
    returns[1, :100] = np.nan
    benchmark[250] = np.nan
    found = betas(returns, benchmark)
    for row, slope in zip(returns, found, strict=True):
        both = np.isfinite(row) & np.isfinite(benchmark)
        assert slope == pytest.approx(np.cov(row[both], benchmark[both])[0, 1] / benchmark[both].var(ddof=1), abs=1e-10)
        assert slope == pytest.approx(beta(row[both], benchmark[both]), abs=1e-10)


def test_too_short_or_still_has_no_beta() -> None:
    """Fewer than 60 sessions, or a benchmark that does not move, give NaN."""
    rng = np.random.default_rng(1)
    returns, benchmark = rng.normal(size=(2, 80)), rng.normal(size=80)
    returns[0, :21] = np.nan
    assert np.isnan(betas(returns, benchmark)).tolist() == [True, False]
    assert np.isnan(betas(returns, np.full(80, 0.01))).all()


@given(st.integers(0, 10_000))
def test_the_beta_of_a_book_is_that_of_its_returns(seed: int) -> None:
    """Weights times betas is the slope of the book's own returns; the benchmark's own weights have a beta of 1."""
    rng = np.random.default_rng(seed)
    returns, weights = rng.normal(0, 0.01, (6, 100)), rng.normal(size=6)
    benchmark = returns.mean(axis=0)
    found = betas(returns, benchmark)
    assert beta_of(weights, found) == pytest.approx(beta(weights @ returns, benchmark), abs=1e-9)
    assert beta_of(np.full(6, 1 / 6), found) == pytest.approx(1.0, abs=1e-12)


def test_only_what_is_held_needs_a_beta() -> None:
    """A name without a beta matters only where it is held."""
    found = np.array([1.2, np.nan])
    assert beta_of(np.array([0.5, 0.0]), found) == pytest.approx(0.6)
    assert np.isnan(beta_of(np.array([0.5, 0.1]), found))
    assert beta_of(np.zeros(2), found) == 0.0


def test_groups_have_net_and_gross_weights() -> None:
    """Longs and shorts of a group offset each other in the net weight alone; who has no group is one."""
    found = grouped("sector", np.array([0.4, -0.3, 0.2, 0.1]), ["Tech", "Tech", None, np.nan])
    assert [(one.name, one.net, one.gross) for one in found] == [
        ("Tech", pytest.approx(0.1), pytest.approx(0.7)),
        ("none", pytest.approx(0.3), pytest.approx(0.3)),
    ]


def test_tilts_are_mean_z_scores() -> None:
    """They equal pandas' z-scores of all names, averaged by weight over those held, a short the other way round."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(5.0, 2.0, (40, 3)), columns=list("abc"))
    frame.iloc[3, 1] = np.nan
    weights = {3: 0.5, 7: -0.2, 11: 0.3}
    scores = ((frame - frame.mean()) / frame.std(ddof=0)).clip(-3, 3)
    expected = []
    for name in frame:
        known = {i: w for i, w in weights.items() if scores.notna()[name][i]}
        gross = sum(map(abs, known.values()))
        expected.append(sum(w * scores[name][i] for i, w in known.items()) / gross)
    np.testing.assert_allclose(tilts(weights, frame.to_numpy()), expected, atol=1e-12)


def test_no_tilt_where_there_is_nothing_to_lean_to() -> None:
    """All names equally weighted, a feature that is the same for all, and an unknown one give 0, NaN and NaN."""
    values = np.array([[1.0, 4.0, np.nan], [2.0, 4.0, np.nan], [3.0, 4.0, np.nan]])
    found = tilts({0: 1 / 3, 1: 1 / 3, 2: 1 / 3}, values)
    assert found[0] == pytest.approx(0.0, abs=1e-15)
    assert np.isnan(found[1:]).all()
    assert np.isnan(tilts({}, values)).all()


def test_an_outlier_counts_as_three_deviations() -> None:
    """One extreme value does not stand for the book."""
    values = np.concatenate([np.zeros(99), [1e6]])[:, None] + np.linspace(0, 1, 100)[:, None]
    assert tilts({99: 1.0}, values)[0] == 3.0
