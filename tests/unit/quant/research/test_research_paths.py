"""Paths of test folds: beside a rebuild by hand, on one trial, on noise, and on a trial that is better."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.errors import ConfigError, DataError
from quantflow.quant.research.paths import Folds, choice_paths, sharpe_ratios

FloatArray = npt.NDArray[np.float64]


def noise(seed: int, trials: int, sessions: int) -> FloatArray:
    """Returns without any skill."""
    return np.random.default_rng(seed).normal(0.0, 0.01, (trials, sessions))


def rebuilt(net: FloatArray, folds: Folds) -> tuple[FloatArray, list[int]]:
    """The paths and choices by the definition: loops over splits, sessions and folds."""
    sessions, size = net.shape[1], net.shape[1] // folds.count
    fold = [min(t // size, folds.count - 1) for t in range(sessions)]
    paths: dict[int, list[int]] = {each: [] for each in range(folds.count)}
    chosen = []
    for tests in combinations(range(folds.count), folds.tests):
        inside = [fold[t] in tests for t in range(sessions)]
        train = []
        for t in range(sessions):
            near = any(inside[t : t + folds.purge + 1])
            after = any(inside[max(0, t - folds.purge - folds.embargo) : t])
            if not inside[t] and not near and not after:
                train.append(t)
        ratios = net[:, train].mean(axis=1) / net[:, train].std(axis=1, ddof=1)
        chosen.append(int(ratios.argmax()))
        for each in tests:
            paths[each].append(chosen[-1])
    count = len(paths[0])
    made = [[net[paths[fold[t]][place], t] for t in range(sessions)] for place in range(count)]
    return np.array(made), chosen


@settings(max_examples=20)
@given(st.integers(0, 1_000), st.sampled_from([(4, 2), (5, 2), (5, 3), (6, 2)]), st.integers(0, 5), st.integers(0, 5))
def test_paths_are_those_of_the_definition(seed: int, cut: tuple[int, int], purge: int, embargo: int) -> None:
    """Splits, what is purged on both sides and embargoed after, choices and paths equal loops over all of them."""
    net, folds = noise(seed, 4, 127), Folds(*cut, purge, embargo)
    found = choice_paths(net, folds)
    paths, chosen = rebuilt(net, folds)
    np.testing.assert_array_equal(found.returns, paths)
    assert found.chosen.tolist() == chosen


def test_one_strategy_has_one_path() -> None:
    """Without a choice every path is the walk-forward: their spread says nothing of how sure its Sharpe ratio is."""
    net = noise(1, 1, 300)
    found = choice_paths(net)
    assert found.returns.shape == (5, 300)
    assert (found.returns == net[0]).all()
    assert np.ptp(found.sharpe) == 0.0


def test_no_session_is_of_a_trial_that_it_chose() -> None:
    """A trial that is good in one fold alone is not in any path there."""
    net = noise(2, 3, 600)
    net[1, 100:200] += 0.05
    net[2, :] += 0.001
    found = choice_paths(net)
    assert (found.returns[:, 100:200] != net[1, 100:200]).all()
    assert (found.returns[:, 300:400] == net[1, 300:400]).any()


def test_choosing_among_noise_earns_nothing() -> None:
    """The best of 50 trials of noise looks good where it was chosen and has no Sharpe ratio where it was not."""
    found = [choice_paths(noise(seed, 50, 1_000)) for seed in range(10, 20)]
    year = np.sqrt(252)
    assert np.mean([each.trained.mean() for each in found]) * year > 0.8
    assert abs(np.mean([each.sharpe.mean() for each in found])) * year < 0.3


def test_a_better_trial_is_chosen_and_keeps_its_ratio() -> None:
    """One trial with skill is chosen in every split, and all paths are its own returns."""
    net = noise(3, 20, 1_500)
    net[7] += 0.002
    found = choice_paths(net, Folds(purge=5, embargo=5))
    assert set(found.chosen) == {7}
    np.testing.assert_array_equal(found.returns, np.tile(net[7], (5, 1)))


def test_a_trial_without_risk_is_not_chosen() -> None:
    """A trial that holds nothing has no Sharpe ratio; where no trial has one the first is taken, without a ratio."""
    net = noise(4, 2, 300)
    net[0] = 0.0
    assert set(choice_paths(net).chosen) == {1}
    none = choice_paths(np.zeros((2, 300)))
    assert set(none.chosen) == {0}
    assert np.isnan(none.sharpe).all()
    assert np.isnan(sharpe_ratios(np.zeros((1, 9)))).all()


@pytest.mark.parametrize("folds", [Folds(2, 2), Folds(6, 1), Folds(6, 6), Folds(6, 2, 40, 10), Folds(6, 2, -1)])
def test_folds_that_cannot_be_had_are_refused(folds: Folds) -> None:
    """The error says which folds and why."""
    with pytest.raises(ConfigError, match="cannot be cut into Folds"):
        choice_paths(noise(5, 2, 300), folds)


def test_what_is_no_return_is_refused() -> None:
    """No trial, or a hole in one, is an error."""
    with pytest.raises(DataError):
        choice_paths(np.empty((0, 100)))
    with pytest.raises(DataError):
        choice_paths(np.full((1, 100), np.nan))
