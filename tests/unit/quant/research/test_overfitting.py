"""The probability of backtest overfitting: against a rebuild in loops, on noise, and on a planted signal."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from quantflow.errors import DataError
from quantflow.quant.research.overfitting import overfitting


def rebuilt(returns: np.ndarray, blocks: int) -> list[float]:
    """Return the logits by the definition, one way to cut time after the other."""
    parts = np.array_split(returns[len(returns) % blocks :], blocks)
    out = []
    for inside in combinations(range(blocks), blocks // 2):
        halves = [np.concatenate([parts[i] for i in range(blocks) if (i in inside) is kept]) for kept in (True, False)]
        within, without = (half.mean(axis=0) / half.std(axis=0, ddof=1) for half in halves)
        rank = (np.argsort(np.argsort(without))[within.argmax()] + 1) / (returns.shape[1] + 1)
        out.append(float(np.log(rank / (1 - rank))))
    return out


def test_it_is_the_definition() -> None:
    """Each logit equals that of a rebuild that concatenates the blocks and ranks by sorting."""
    returns = np.random.default_rng(5).normal(0.0003, 0.01, (123, 7))
    np.testing.assert_allclose(overfitting(returns, 8).logits, rebuilt(returns, 8), rtol=1e-10)


def test_noise_is_a_coin() -> None:
    """The best of many trials without skill is as often in the lower half afterwards as in the upper one."""
    found = [overfitting(np.random.default_rng(seed).normal(0, 0.01, (320, 50)), 8).probability for seed in range(40)]
    assert 0.4 < np.mean(found) < 0.6


def test_skill_is_found() -> None:
    """A trial that is better by a whole Sharpe ratio a year and a half is chosen nearly always, and stays best."""
    returns = np.random.default_rng(1).normal(0, 0.01, (2520, 20))
    returns[:, 3] += 0.0015
    found = overfitting(returns)
    assert found.probability < 0.01
    assert found.chosen[3] > 0.99 * found.chosen.sum()


@pytest.mark.parametrize("shape", [(200, 1), (20, 5)])
def test_too_little_is_refused(shape: tuple[int, int]) -> None:
    """One trial has nothing to be better than; blocks need sessions."""
    with pytest.raises(DataError, match="cannot be cross-validated"):
        overfitting(np.zeros(shape))


def test_equal_trials_are_a_coin() -> None:
    """Trials that are one and the same to the last bit are equal in every half, whatever their position."""
    stream = np.random.default_rng(2).normal(0, 0.01, (400, 1))
    for trials in (2, 3, 37):
        found = overfitting(np.repeat(stream, trials, axis=1), 8)
        assert found.probability == 0.5
        assert found.chosen[0] == len(found.logits)


@pytest.mark.parametrize("trials", [2, 3, 5])
def test_few_trials_of_noise_are_a_coin_too(trials: int) -> None:
    """Being in the middle counts half: an odd number of trials does not look overfitted."""
    found = [overfitting(np.random.default_rng(s).normal(0, 0.01, (320, trials)), 8).probability for s in range(200)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_a_trial_without_risk_has_a_ratio_of_zero() -> None:
    """A constant stream is no miracle by rounding: it is chosen over losing trials, and not over winning ones."""
    returns = np.random.default_rng(2).normal(0.001, 0.001, (400, 3))
    returns[:, 1] = 0.1 / 3
    assert overfitting(returns, 8).chosen[1] == 0
    assert overfitting(returns - np.array([0.003, 0.0, 0.003]), 8).chosen[1] == 70
