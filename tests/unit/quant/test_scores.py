"""Scores: the maps to probabilities and the log multiplicative score, against oracles of other making."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from scipy.stats import rankdata

from quantflow.config.sections import ScoresConfig
from quantflow.quant.scores import FLOOR, MAPS, alpha_scores, completed, log_mps, scorable

RNG = np.random.default_rng(5)


def test_rank_probability_is_the_mean_rank_less_a_half() -> None:
    """Ties share their mean rank, as scipy ranks them."""
    values = RNG.integers(0, 6, 25).astype(float)
    np.testing.assert_allclose(MAPS["rank"](values), (rankdata(values, "average") - 0.5) / 25, rtol=1e-15)


def test_normal_probability_is_the_cdf_of_the_z_score() -> None:
    """The cross-sectional z-score with the population deviation goes through the normal cdf."""
    values = RNG.normal(3.0, 2.0, 15)
    oracle = statistics.NormalDist(statistics.fmean(values), statistics.pstdev(values))
    np.testing.assert_allclose(MAPS["normal_cdf"](values), [oracle.cdf(x) for x in values], rtol=1e-10)


def test_logistic_probability_is_the_logistic_of_the_robust_z_score() -> None:
    """Median and MAD, not mean and deviation, so that an outlier leaves the others where they were."""
    values = np.array([1.0, 2.0, 3.0, 4.0, 1e6])
    z = [(x - 3.0) / 1.4826 for x in values[:4]]
    np.testing.assert_allclose(MAPS["logistic"](values)[:4], [1 / (1 + math.exp(-v)) for v in z], rtol=1e-12)


def test_logistic_probability_survives_a_majority_of_equal_values() -> None:
    """Where the MAD is 0 the mean absolute deviation scales."""
    values = np.array([2.0, 2.0, 2.0, 2.0, 7.0])
    expected = 1 / (1 + math.exp(-5.0 / (1.2533 * 1.0)))
    np.testing.assert_allclose(MAPS["logistic"](values), [0.5, 0.5, 0.5, 0.5, expected], rtol=1e-12)


@pytest.mark.parametrize("name", sorted(MAPS))
@pytest.mark.parametrize("value", [0.1, -0.0, 1e300])
def test_equal_values_say_nothing(name: str, value: float) -> None:
    """A feature that is the same for all gives everyone 0.5, whatever rounding does to its deviation."""
    assert (MAPS[name](np.full(7, value)) == 0.5).all()


@pytest.mark.parametrize("name", ["normal_cdf", "logistic"])
def test_an_outlier_costs_no_more_than_the_floor(name: str) -> None:
    """One absurd value gives the floor, not minus infinity."""
    values = np.append(RNG.normal(size=4_000), -1e9)
    assert MAPS[name](values)[-1] == FLOOR


def test_log_mps_by_hand() -> None:
    """Two features of three symbols, worked out on paper."""
    values = np.array([[1.0, 30.0], [2.0, 20.0], [3.0, 10.0]])
    weights = np.array([2.0, 1.0])
    parts = log_mps(values, weights, ["rank", "rank"])
    probabilities = [(1 / 6, 5 / 6), (1 / 2, 1 / 2), (5 / 6, 1 / 6)]
    expected = [[2 * math.log(p), math.log(q)] for p, q in probabilities]
    np.testing.assert_allclose(parts, expected, rtol=1e-14)
    alpha = [(p**2 * q) ** (1 / 3) for p, q in probabilities]
    np.testing.assert_allclose(alpha_scores(parts, weights), alpha, rtol=1e-14)


def test_scorable_tell_absent_features_from_incomplete_symbols() -> None:
    """A feature that nobody has is dropped; a symbol that lacks another one is not scored."""
    nan = np.nan
    features, symbols = scorable(np.array([[1.0, nan, 2.0], [nan, nan, 3.0], [4.0, nan, np.inf], [5.0, nan, 6.0]]))
    assert features.tolist() == [True, False, True]
    assert symbols.tolist() == [True, False, False, True]


def test_nothing_defined_scores_nobody() -> None:
    """Without any feature there is nobody to score, rather than everybody at 1."""
    assert not scorable(np.full((3, 2), np.nan))[1].any()


def test_short_reads_directional_features_the_other_way_and_risk_the_same() -> None:
    """Momentum, trend and skewness flip for SHORT; volatility does not; ``prefer`` turns both."""
    usual = ScoresConfig()
    assert [usual.sign("momentum", d) for d in ("LONG", "SHORT")] == [1.0, -1.0]
    assert [usual.sign("volatility", d) for d in ("LONG", "SHORT")] == [-1.0, -1.0]
    turned = ScoresConfig(prefer={"momentum": "low", "volatility": "high"})
    assert [turned.sign("momentum", d) for d in ("LONG", "SHORT")] == [-1.0, 1.0]
    assert [turned.sign("volatility", d) for d in ("LONG", "SHORT")] == [1.0, 1.0]


@pytest.mark.parametrize("key", ["weights", "maps", "prefer"])
def test_a_typo_in_a_feature_is_met_with_the_nearest_name(key: str) -> None:
    """Each table of features is checked, and the message helps."""
    value = {"weights": 1.0, "maps": "rank", "prefer": "low"}[key]
    with pytest.raises(ValueError, match="Did you mean 'momentum'"):
        ScoresConfig.model_validate({key: {"momentun": value}})


@pytest.mark.parametrize("weight", [0.0, -1.0, math.inf, math.nan])
def test_a_weight_is_positive_and_finite(weight: float) -> None:
    """A weight that would void the score is refused."""
    with pytest.raises(ValueError, match="must be positive and finite"):
        ScoresConfig(weights={"momentum": weight})


def test_spelling_order_does_not_matter() -> None:
    """Configurations that mean the same are equal, so that caches agree."""
    one = ScoresConfig(weights={"trend": 1.0, "momentum": 2.0}, directions=("SHORT", "LONG"))
    other = ScoresConfig(weights={"momentum": 2.0, "trend": 1.0}, directions=("LONG", "SHORT"))
    assert one.model_dump_json() == other.model_dump_json()


def test_what_is_missing_may_count_as_the_median() -> None:
    """As many as are allowed, never all; what is not missing keeps its bits."""
    nan = np.nan
    values = np.array([[1.0, 5.0], [nan, 7.0], [3.0, np.inf], [nan, nan], [8.0, 6.0]])
    assert [int(scorable(values, most)[1].sum()) for most in (0, 1, 2, None)] == [2, 4, 4, 4]
    filled = completed(values[scorable(values, 1)[1]])
    assert filled.tolist() == [[1.0, 5.0], [3.0, 7.0], [3.0, 6.0], [8.0, 6.0]]
    whole = values[[0, 4]]
    assert completed(whole) is whole
