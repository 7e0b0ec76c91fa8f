"""The effective number of trials: families, noise, variants, and the published silhouettes."""

from __future__ import annotations

import time

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_samples

from quantflow.quant.research.effective import _expected_maximum, _silhouettes, effective


def families(number: int, size: int, correlation: float, sessions: int = 1000, seed: int = 1) -> np.ndarray:
    """Return the returns of families of streams with a correlation inside each, and none between them."""
    rng = np.random.default_rng(seed)
    common = np.repeat(rng.normal(size=(sessions, number)), size, axis=1)
    own = rng.normal(size=(sessions, number * size))
    return 0.01 * (correlation**0.5 * common + (1.0 - correlation) ** 0.5 * own)


@pytest.mark.parametrize("shape", [(20, 250), (50, 500), (200, 500), (200, 2000)])
def test_independent_trials_stay_trials(shape: tuple[int, int]) -> None:
    """Noise has no families: 200 independent streams are 200 clusters, and about 200 trials."""
    trials, sessions = shape
    found = effective(families(trials, 1, 0.0, sessions))
    assert found.number == trials
    assert found.equivalent > 0.9 * trials


@pytest.mark.parametrize(("number", "size", "correlation"), [(10, 20, 0.7), (5, 12, 0.6), (3, 2, 0.9), (20, 5, 0.9)])
def test_families_are_found(number: int, size: int, correlation: float) -> None:
    """Each family is a cluster of its own, with its members and nobody else."""
    found = effective(families(number, size, correlation))
    assert found.labels.tolist() == np.repeat(np.arange(number), size).tolist()
    assert number < found.equivalent < number * size


def test_variants_of_one_are_one() -> None:
    """Two hundred variants without structure among them are one cluster; what their best is worth depends on them."""
    loose, tight = (effective(families(1, 200, correlation)) for correlation in (0.7, 0.99))
    assert loose.number == tight.number == 1
    assert 5.0 < loose.equivalent < 15.0
    assert 1.0 < tight.equivalent < 2.0
    assert loose.variance == 0.0


def test_families_in_a_crowd_are_found() -> None:
    """Variants of one strategy and independent trials: one cluster, and each of the others."""
    found = effective(np.hstack([families(1, 60, 0.8), families(40, 1, 0.0, seed=2)]))
    assert found.labels.tolist() == [0] * 60 + list(range(1, 41))
    found = effective(np.hstack([families(1, 60, 0.8), families(3, 10, 0.8, seed=2)]))
    assert found.labels.tolist() == [0] * 60 + [1] * 10 + [2] * 10 + [3] * 10


def test_equal_trials_are_one_among_others() -> None:
    """A setting without effect makes pairs of equal streams: each pair is one trial."""
    noise = families(30, 1, 0.0)
    found = effective(np.hstack([noise, noise[:, :5]]))
    assert found.labels.tolist() == [*range(30), *range(5)]
    assert found.equivalent == pytest.approx(30, rel=0.03)
    alone = effective(np.repeat(noise[:, :1], 7, axis=1))
    assert (alone.number, alone.equivalent) == (1, pytest.approx(1.0, abs=1e-9))


def test_a_clusters_ratio_is_of_its_own_stream() -> None:
    """Members are weighted by their inverse variance; the variance is that of the clusters' ratios."""
    returns = families(3, 4, 0.9) * np.tile([1.0, 2.0, 0.5, 1.0], 3) + 0.0004
    found = effective(returns)
    wanted = []
    for group in (slice(0, 4), slice(4, 8), slice(8, 12)):
        weights = 1.0 / returns[:, group].var(axis=0)
        stream = (returns[:, group] * weights).sum(axis=1) / weights.sum()
        wanted.append(stream.mean() / stream.std(ddof=1))
    np.testing.assert_allclose(found.ratios, wanted, rtol=1e-10)
    assert found.variance == pytest.approx(np.var(wanted, ddof=1), rel=1e-10)


def test_order_and_scale_do_not_matter() -> None:
    """Trials in another order, at other leverages, have the same clusters; the same input gives the same bytes."""
    returns = families(6, 8, 0.8)
    order = np.random.default_rng(3).permutation(48)
    found, other = effective(returns), effective(3.0 * returns[:, order])
    pairs = found.labels[order][:, None] == found.labels[order][None, :]
    assert (pairs == (other.labels[:, None] == other.labels[None, :])).all()
    assert other.equivalent == pytest.approx(found.equivalent, rel=0.05)
    assert effective(returns).equivalent == found.equivalent


def test_a_trial_without_risk_is_in_no_cluster() -> None:
    """A dead stream has no correlation: it has no label, and the others are as without it."""
    returns = families(3, 3, 0.9)
    found = effective(np.insert(returns, 2, 0.001, axis=1))
    assert found.labels.tolist() == [0, 0, -1, 0, 1, 1, 1, 2, 2, 2]
    assert (found.ratios == effective(returns).ratios).all()


@pytest.mark.parametrize(
    ("trials", "sessions", "number"), [(0, 100, 0), (1, 100, 1), (2, 100, 2), (3, 1, 0), (3, 0, 0)]
)
def test_few_trials_and_sessions(trials: int, sessions: int, number: int) -> None:
    """Nothing, one, and two streams; and streams too short to have risk."""
    found = effective(np.random.default_rng(1).normal(0, 0.01, (sessions, trials)))
    assert (found.number, found.variance >= 0.0) == (number, True)
    assert found.equivalent == pytest.approx(number, abs=0.1)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(3, 14), st.booleans())
def test_silhouettes_are_those_of_scikit_learn(seed: int, points: int, equal: bool) -> None:
    """Mean and deviation of every cut of the tree equal those of the library, to 1e-10; equal points are allowed."""
    places = np.random.default_rng(seed).normal(size=(points, 4))
    if equal:
        places[1] = places[0]
    tree = scipy.cluster.hierarchy.linkage(places, "ward")
    apart = scipy.spatial.distance.cdist(places, places)
    mean, deviation = _silhouettes(apart, tree)
    for k in range(2, points):
        labels = scipy.cluster.hierarchy.cut_tree(tree, n_clusters=k)[:, 0]
        values = silhouette_samples(apart, labels, metric="precomputed")
        assert (mean[k - 2], deviation[k - 2]) == pytest.approx((values.mean(), values.std()), rel=1e-10, abs=1e-10)


def test_the_expected_maximum_is_known() -> None:
    """0 for one normal variable, 1 / sqrt(pi) for two, 3 / (2 sqrt(pi)) for three; 2.746 for two hundred."""
    known = {1: 0.0, 2: np.pi**-0.5, 3: 1.5 * np.pi**-0.5, 200: 2.7460}
    for number, value in known.items():
        assert _expected_maximum(float(number)) == pytest.approx(value, abs=1e-4)


def test_a_thousand_trials_take_seconds() -> None:
    """A large sweep is clustered while one waits: 1,000 streams in well under ten seconds of a slow machine."""
    begin = time.process_time()
    assert effective(families(40, 25, 0.7, sessions=2000)).number == 40
    assert time.process_time() - begin < 10.0
