"""What is claimed of the best of many trials: by hundreds of repetitions on noise, and with a planted signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from quantflow.quant.research.deflated import deflated
from quantflow.quant.research.effective import effective
from quantflow.quant.research.overfitting import overfitting
from quantflow.quant.significance import estimate, interval

TRIALS, SESSIONS, REPETITIONS = 200, 1000, 100


@dataclass(frozen=True)
class Verdict:
    """What is said of the best of one repetition's trials."""

    best: int
    naive: bool
    by_count: float
    careful: float
    overfitted: float


def verdict(returns: np.ndarray) -> Verdict:
    """Return what is said of the trial with the highest ratio."""
    ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    best = int(ratios.argmax())
    found = estimate(returns[:, best])
    assert found is not None
    left = deflated(found, ratios.tolist(), effective(returns).ratios.tolist())
    assert left.by_count is not None
    assert left.probability is not None
    probability = overfitting(returns, 8).probability
    return Verdict(best, interval(found)[0] > 0.0, left.by_count, left.probability, probability)


def drawn(seed: int, correlation: float = 0.0) -> np.ndarray:
    """Return the returns of trials without skill, variants of one strategy as far as they correlate."""
    rng = np.random.default_rng([seed, int(100 * correlation)])
    common, own = rng.normal(size=(SESSIONS, 1)), rng.normal(size=(SESSIONS, TRIALS))
    return 0.01 * (correlation**0.5 * common + (1.0 - correlation) ** 0.5 * own)


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_luck_is_called_luck(correlation: float) -> None:
    """The best of 200 trials of noise, or variants of one, is believed in at most 5 of 100 times, and PBO is a coin."""
    found = [verdict(drawn(seed, correlation)) for seed in range(REPETITIONS)]
    assert sum(each.by_count >= 0.95 for each in found) <= 5
    assert sum(each.careful >= 0.95 for each in found) <= 5
    assert np.mean([each.overfitted for each in found]) == pytest.approx(0.5, abs=0.1)
    if not correlation:  # the interval of a single trial believes in nearly every one
        assert sum(each.naive for each in found) >= 95


def test_skill_is_called_skill() -> None:
    """A trial with a Sharpe ratio of 4 a year among 199 of noise is found, believed in, and stays the best."""
    overfitted = []
    for seed in range(10):
        returns = drawn(seed)
        returns[:, 17] += 0.01 * 4.0 / 252**0.5
        found = verdict(returns)
        assert found.best == 17
        assert found.careful > 0.95
        overfitted.append(found.overfitted)
    assert np.mean(overfitted) < 0.05
