"""Rank information coefficients, buckets and their errors, beside independent rebuilds and planted signals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from quantflow.quant.research.signals import (
    bucket_count,
    bucket_returns,
    buckets,
    forward_returns,
    mean_correlations,
    mean_of_overlapping,
    rank_autocorrelations,
    rank_correlations,
    spread_targets,
)

FloatArray = npt.NDArray[np.float64]


def noise(seed: int, *shape: int) -> FloatArray:
    """Standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


def holed(values: FloatArray, seed: int, share: float = 0.2) -> FloatArray:
    """Some of the values are missing."""
    return np.where(np.random.default_rng(seed).random(values.shape) < share, np.nan, values)


def test_forward_returns_are_those_of_the_sessions_after_the_trade() -> None:
    """They compound from the close that trades, leave out what is skipped, and are unknown past the last session."""
    returns = noise(0, 7, 60) * 0.02
    wealth = pd.DataFrame(returns.T).add(1.0).cumprod().to_numpy().T
    positions = np.array([0, 10, 40, 52])
    for horizon, lag, skip in ((1, 0, 0), (5, 1, 0), (21, 1, 5)):
        found = forward_returns(returns, positions, horizon, lag, skip=skip)
        for row, at in zip(found, positions, strict=True):
            if at + lag + horizon > 59:
                assert np.isnan(row).all()
            else:
                np.testing.assert_allclose(row, wealth[:, at + lag + horizon] / wealth[:, at + lag + skip] - 1.0, 1e-10)


def test_horizons_compound_from_their_parts() -> None:
    """The return of 21 sessions is that of 5, and then of the 6th to the 21st."""
    returns, at = noise(1, 4, 80) * 0.03, np.array([3, 30])
    parts = [forward_returns(returns, at, 5, 1), forward_returns(returns, at, 21, 1, skip=5)]
    np.testing.assert_allclose((1 + parts[0]) * (1 + parts[1]) - 1, forward_returns(returns, at, 21, 1), atol=1e-12)


def test_rank_correlations_are_spearmans() -> None:
    """With holes and ties they equal scipy's, date by date, over the names that have both."""
    left, right = holed(noise(2, 40, 30).round(1), 3), holed(noise(4, 40, 30).round(1), 5)
    found = rank_correlations(left, right)
    for k in range(40):
        both = np.isfinite(left[k]) & np.isfinite(right[k])
        assert found[k] == pytest.approx(stats.spearmanr(left[k, both], right[k, both]).statistic, abs=1e-12)


def test_what_has_no_ranks_has_no_correlation() -> None:
    """Too few names, or equal values, give NaN, not zero."""
    few, equal = np.array([[1.0, 2.0, 3.0, 4.0, np.nan]]), np.ones((1, 5))
    assert np.isnan(rank_correlations(few, few)).all()
    assert np.isnan(rank_correlations(equal, noise(0, 1, 5))).all()
    assert rank_correlations(noise(0, 1, 5), noise(0, 1, 5)) == pytest.approx(1.0)


@given(st.integers(0, 10_000))
def test_ranks_alone_count(seed: int) -> None:
    """Any rising transformation leaves a coefficient as it is, and the opposite signal turns its sign."""
    signal, forward = holed(noise(seed, 3, 20), seed), noise(seed + 1, 3, 20)
    found = rank_correlations(signal, forward)
    np.testing.assert_allclose(rank_correlations(np.exp(3 * signal), forward), found, atol=1e-12)
    np.testing.assert_allclose(rank_correlations(-signal, forward), -found, atol=1e-12)


def test_a_planted_signal_has_the_coefficient_that_was_planted() -> None:
    """A signal that is the future return plus noise has the coefficient that the noise leaves; noise has none."""
    returns = noise(6, 200, 2_000) * 0.01
    positions = np.arange(0, 1_990, 5)
    future = forward_returns(returns, positions, 5, 0)
    planted = 0.1
    z = future / np.nanstd(future)
    signal = planted * z + np.sqrt(1 - planted**2) * noise(7, *z.shape)
    spearman = 6 / np.pi * np.arcsin(planted / 2)  # of two normal variables with that correlation
    real = mean_of_overlapping(rank_correlations(signal, future), positions, 5)
    none = mean_of_overlapping(rank_correlations(noise(8, *z.shape), future), positions, 5)
    assert real.mean == pytest.approx(spearman, abs=4 * float(real.error or 0))
    assert real.error == pytest.approx(1 / np.sqrt(199 * real.dates), rel=0.1)
    assert (real.t or 0.0) > 20
    assert abs(none.t or 0.0) < 3


def test_a_signal_decays_where_it_was_planted_to_end() -> None:
    """A signal of the first 5 sessions has no coefficient in the 6th to the 21st."""
    returns = noise(9, 100, 1_600) * 0.01
    positions = np.arange(0, 1_500, 21)
    signal = forward_returns(returns, positions, 5, 1)
    near = mean_of_overlapping(rank_correlations(signal, forward_returns(returns, positions, 21, 1)), positions, 21)
    later = rank_correlations(signal, forward_returns(returns, positions, 21, 1, skip=5))
    far = mean_of_overlapping(later, positions, 16)
    assert (near.t or 0.0) > 10
    assert abs(far.t or 0.0) < 3


def test_without_overlap_the_error_is_students() -> None:
    """Horizons that do not overlap give scipy's t of one sample."""
    values, positions = noise(10, 50) + 0.1, np.arange(0, 1_050, 21)
    found = mean_of_overlapping(values, positions, 21)
    assert found.t == pytest.approx(stats.ttest_1samp(values, 0.0).statistic, abs=1e-10)
    assert found.independent == 50


def test_the_error_is_that_of_the_matrix_of_shares() -> None:
    """With overlap it equals the formula on the whole matrix of shared sessions, at dates that are not even."""
    rng = np.random.default_rng(11)
    positions = np.cumsum(rng.integers(3, 30, 80))
    values = holed(rng.standard_normal(80), 12)
    known = np.isfinite(values)
    x, at = values[known], positions[known]
    shares = np.maximum(1 - np.abs(at[:, None] - at) / 63, 0.0)
    total = shares.sum() / len(x)
    variance = ((x - x.mean()) ** 2).sum() / (len(x) - total)
    found = mean_of_overlapping(values, positions, 63)
    assert found.error == pytest.approx(np.sqrt(variance * total / len(x)), abs=1e-12)
    assert found.independent == pytest.approx(len(x) / total, abs=1e-9)


def test_overlap_does_not_make_noise_significant() -> None:
    """A constant signal on noise passes t = 2 in about 1 of 20 markets at 12-fold overlap; uncorrected in most."""
    positions = np.arange(0, 1_200, 5)
    corrected, naive = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        signal = np.tile(rng.standard_normal(20), (len(positions), 1))
        forward = forward_returns(rng.standard_normal((20, 1_300)) * 0.01, positions, 60)
        values = rank_correlations(signal, forward)
        corrected.append(abs(mean_of_overlapping(values, positions, 60).t or 0.0) > 2)
        naive.append(abs(stats.ttest_1samp(values, 0.0).statistic) > 2)
    assert np.mean(corrected) < 0.12
    assert np.mean(naive) > 0.4


def test_too_few_independent_dates_have_a_mean_and_no_error() -> None:
    """Four overlapping dates of a long horizon do not say how sure their mean is."""
    found = mean_of_overlapping(np.array([0.1, 0.2, 0.3, np.nan]), np.array([0, 5, 10, 15]), 252)
    assert (found.error, found.t, found.dates) == (None, None, 3)
    assert found.mean == pytest.approx(0.2)
    assert mean_of_overlapping(np.array([np.nan]), np.array([0]), 5).mean is None


def test_buckets_are_pandas_quantiles() -> None:
    """Without ties the buckets are those of ``qcut`` on ranks, and their returns the grouped means."""
    signal, forward = holed(noise(13, 10, 43), 14), holed(noise(15, 10, 43), 16)
    bucket = buckets(signal, 5)
    means = bucket_returns(bucket, forward, 5)
    for k in range(10):
        frame = pd.DataFrame({"signal": signal[k], "forward": forward[k]})
        kept = frame["signal"].notna()
        place = (frame.loc[kept, "signal"].rank() - 0.5) / kept.sum()
        expected = pd.cut(place, np.linspace(0, 1, 6), labels=False, right=False)
        np.testing.assert_array_equal(bucket[k, kept], expected)
        assert (bucket[k, ~kept] == -1).all()
        np.testing.assert_allclose(means[k], frame.loc[kept, "forward"].groupby(expected).mean(), atol=1e-12)


def test_equal_values_share_a_bucket() -> None:
    """A feature that is the same for all names has neither a top nor a bottom."""
    bucket = buckets(np.ones((1, 20)), 5)
    assert set(bucket[0]) == {2}
    assert not spread_targets(bucket, 5).any()


@pytest.mark.parametrize(("names", "count"), [(0, 0), (7, 0), (8, 2), (12, 3), (19, 4), (20, 5), (5_000, 5)])
def test_few_names_have_few_buckets(names: int, count: int) -> None:
    """There are at least four names per bucket, and at most five buckets."""
    assert bucket_count(names) == count


def test_a_spread_is_long_the_top_and_short_the_bottom() -> None:
    """Each side has a weight of 1 in equal parts, and what it earns is the top bucket's mean less the bottom's."""
    signal, forward = noise(17, 6, 23), noise(18, 6, 23)
    bucket = buckets(signal, 5)
    targets = spread_targets(bucket, 5)
    np.testing.assert_allclose([targets.clip(0).sum(axis=1), -targets.clip(None, 0).sum(axis=1)], 1.0, atol=1e-12)
    means = bucket_returns(bucket, forward, 5)
    np.testing.assert_allclose((targets * forward).sum(axis=1), means[:, 4] - means[:, 0], atol=1e-12)


def test_ranks_that_stay_have_an_autocorrelation_of_one() -> None:
    """A signal that keeps its order is not turned over; one that is drawn again each time is."""
    steady = np.sort(noise(19, 30, 40), axis=1)
    np.testing.assert_allclose(rank_autocorrelations(steady), 1.0, atol=1e-12)
    assert abs(rank_autocorrelations(noise(20, 200, 40)).mean()) < 0.05


def test_correlations_among_signals_are_means_over_dates() -> None:
    """The matrix is symmetric with a diagonal of 1, and has pandas' mean of daily Spearman correlations."""
    signals = noise(21, 3, 25, 30)
    signals[1] += signals[0]
    found = mean_correlations(signals)
    daily = [pd.DataFrame(signals[:, k].T).corr(method="spearman").to_numpy() for k in range(25)]
    np.testing.assert_allclose(found, np.mean(daily, axis=0), atol=1e-12)
    assert found[0, 1] > 0.5
