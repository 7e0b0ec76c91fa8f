"""Spectral features in standard errors of a random walk: the table holds for walks that it was not made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quantflow.quant.features import FeatureWindows, compute
from quantflow.quant.policy import Veto
from quantflow.quant.random_walk import FEATURES, LENGTHS, standard_errors

WALKS = 4000


def walked(length: int, memory: float = 0.0, walks: int = WALKS) -> dict[str, Any]:
    """Return the features of walks of a length; *memory* is the autocorrelation of their returns."""
    moves = np.random.default_rng(length).normal(0.0, 0.02, (walks, length + 1))
    for t in range(1, length + 1):
        moves[:, t] += memory * moves[:, t - 1]
    return compute({"close": 50.0 * np.exp(np.cumsum(moves, axis=1))}, FeatureWindows(length, 2, 1, 2), 252, threads=1)


def errors(found: dict[str, Any], feature: str) -> Any:
    """Return a feature of the walks in standard errors."""
    return standard_errors(feature, found[feature], found["observations"])


@pytest.mark.parametrize("length", [180, 504, 1008])
def test_random_walks_are_standard(length: int) -> None:
    """Of walks with another seed, and of lengths between those of the table, mean and deviation are 0 and 1."""
    found = walked(length)
    for feature in FEATURES:
        values = errors(found, feature)
        assert abs(values.mean()) < 0.08, feature
        assert values.std() == pytest.approx(1.0, abs=0.04), feature


def test_a_limit_of_two_passes_the_expected_share_of_random_walks() -> None:
    """At two standard errors 1.5 to 6 % of random walks pass each spectral veto, not 77 % as with absolute limits."""
    found = walked(504)
    vetoes = {
        "entropy": Veto("max_entropy_z", errors(found, "entropy"), -2.0, "cap"),
        "efficiency": Veto("min_efficiency_z", errors(found, "efficiency"), 2.0, "floor"),
        "hurst": Veto("min_hurst_z", errors(found, "hurst"), 2.0, "band"),
    }
    passed = {feature: (veto.judge()[1] >= 0).mean() for feature, veto in vetoes.items()}
    assert passed["entropy"] == pytest.approx(0.029, abs=0.008)
    assert passed["efficiency"] == pytest.approx(0.046, abs=0.01)
    assert passed["hurst"] == pytest.approx(0.047, abs=0.01)


def test_what_is_not_a_random_walk_passes_more_often() -> None:
    """Returns with an autocorrelation of 0.3 have an order that a random walk does not have."""
    found = walked(504, memory=0.3, walks=1000)
    assert (errors(found, "entropy") < -2.0).mean() > 0.25
    assert errors(found, "hurst").mean() > 1.0


def test_too_few_returns_say_nothing() -> None:
    """Below the table's first length, and where the feature is undefined, there is no standard error."""
    values, number = np.array([0.9, np.nan, 0.9]), np.array([LENGTHS[0] - 1.0, 504.0, 504.0])
    assert np.isnan(standard_errors("entropy", values, number)).tolist() == [True, True, False]
