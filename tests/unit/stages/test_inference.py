"""The inference stage: what the scores frame says, who is left out, and that each option matters."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.features import FEATURES
from quantflow.config.sections import HealthConfig, ScoresConfig
from quantflow.data.artifacts import encode
from quantflow.errors import ConfigError, DataError, StageError
from quantflow.stages.inference import InferenceStage, InferenceStageConfig

STAGE = InferenceStage()
PLUGIN = """
import numpy as np

def flat(values, weights, maps):
    return np.broadcast_to(-weights, values.shape)

def broken(values, weights, maps):
    return np.full(values.shape, 1.0)
"""
POINTS = """[quantflow.scorers]
flat = my_scorers:flat
broken = my_scorers:broken
"""


@pytest.fixture
def features() -> pd.DataFrame:
    """Twelve symbols with every feature but volume and highs and lows."""
    values = np.random.default_rng(3).normal(size=(12, len(FEATURES)))
    index = pd.Index([f"S{i:02}" for i in range(12)], name="symbol")
    return pd.DataFrame(values, index=index, columns=list(FEATURES)).assign(liquidity=np.nan, adx=np.nan)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package that registers scorers."""
    info = tmp_path / "my_scorers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_scorers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    (tmp_path / "my_scorers.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_scorers", raising=False)


def score(features: pd.DataFrame, most: int | None = 0, **options: Any) -> pd.DataFrame:
    """Return the scores that the stage gives."""
    health = HealthConfig(max_undefined=most)
    config = InferenceStageConfig(scores=ScoresConfig.model_validate(options), policy=health)
    return STAGE.run({"features": features}, config)["scores"]


def test_scores_add_up(features: pd.DataFrame) -> None:
    """The score is the sum of its contributions, alpha the mean probability, rank its order."""
    found = score(features)
    parts = found.filter(like="c_")
    weights = sum(ScoresConfig().weights.values())
    np.testing.assert_allclose(found["score"], parts.sum(axis=1), rtol=1e-14)
    np.testing.assert_allclose(found["alpha_score"], np.exp(found["score"] / weights), rtol=1e-14)
    assert found.sort_values("rank")["alpha_score"].is_monotonic_decreasing
    assert sorted(found["rank"]) == list(range(1, 13))
    assert list(found.columns[:4]) == ["direction", "score", "alpha_score", "rank"]
    assert list(parts) == [f"c_{name}" for name in ScoresConfig().weights]


def test_better_features_score_better(features: pd.DataFrame) -> None:
    """Best momentum and least volatility win."""
    features.loc["S05", ["momentum", "volatility"]] = [99.0, -99.0]
    found = score(features, weights={"momentum": 1.0, "volatility": 1.0})
    assert found["rank"].idxmin() == "S05"
    assert found.loc["S05", "c_momentum"] == found["c_momentum"].max()


def test_a_feature_that_nobody_has_is_left_out_and_said(features: pd.DataFrame) -> None:
    """Its column stays, as NaN; the scores are those without it; the summary names it."""
    found = score(features, weights={"momentum": 1.0, "liquidity": 5.0})
    assert found["c_liquidity"].isna().all()
    alone = score(features, weights={"momentum": 1.0})
    pd.testing.assert_series_equal(found["alpha_score"], alone["alpha_score"])
    summary = STAGE.summary({"features": features}, {"scores": found})
    assert (summary.entered, summary.left, summary.note) == (12, 12, "1 features, undefined for all: liquidity")


def test_a_symbol_that_lacks_a_feature_is_not_scored(features: pd.DataFrame) -> None:
    """The others are scored as if it were not there."""
    rest = score(features.drop(index="S03"))
    features.loc["S03", "momentum"] = np.nan
    pd.testing.assert_frame_equal(score(features), rest)


def test_nobody_to_score_is_an_error_that_names_the_feature(features: pd.DataFrame) -> None:
    """The hint names the feature that is missing most."""
    features["momentum"] = np.where(np.arange(12) < 11, np.nan, 1.0)
    features.loc["S11", "trend"] = np.nan
    with pytest.raises(DataError) as caught:
        score(features, weights={"momentum": 1.0, "trend": 1.0})
    assert "'momentum' is undefined for 11" in str(caught.value.hint)


def test_each_symbol_goes_in_its_better_direction(features: pd.DataFrame) -> None:
    """High momentum goes long, low momentum short, with the score of that direction."""
    both = score(features, weights={"momentum": 1.0}, directions=["SHORT", "LONG"])
    above = features["momentum"] >= features["momentum"].median()
    assert (both["direction"] == np.where(above, "LONG", "SHORT")).all()
    long = score(features, weights={"momentum": 1.0})["alpha_score"]
    short = score(features, weights={"momentum": 1.0}, directions=["SHORT"])["alpha_score"]
    np.testing.assert_array_equal(both["alpha_score"], np.maximum(long, short))


def test_a_tie_of_directions_goes_long(features: pd.DataFrame) -> None:
    """Risk alone says nothing about direction."""
    found = score(features, weights={"volatility": 1.0}, directions=["SHORT", "LONG"])
    assert (found["direction"] == "LONG").all()


def test_ties_in_rank_go_by_symbol(features: pd.DataFrame) -> None:
    """Equal scores are ranked in the order of the symbols."""
    features["momentum"] = 1.0
    assert score(features, weights={"momentum": 1.0})["rank"].tolist() == list(range(1, 13))


FLIPS: dict[str, Any] = {
    "scorer": "flat",
    "weights": {"hurst": 1.0},
    "maps": {"momentum": "logistic"},
    "prefer": {"momentum": "low"},
    "directions": ["SHORT"],
}


def test_flips_cover_every_option() -> None:
    """A new option cannot arrive without a test that it matters."""
    assert FLIPS.keys() == ScoresConfig.model_fields.keys()


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("option", sorted(FLIPS))
def test_option_changes_the_outcome(option: str, features: pd.DataFrame) -> None:
    """Each documented option has an effect."""
    assert not score(features).equals(score(features, **{option: FLIPS[option]}))


@pytest.mark.parametrize("name", ["normal_cdf", "logistic"])
def test_maps_differ(name: str, features: pd.DataFrame) -> None:
    """Each map gives scores of its own."""
    assert not score(features)["score"].equals(score(features, maps={"momentum": name})["score"])


def test_an_unknown_scorer_is_met_with_the_nearest(features: pd.DataFrame) -> None:
    """A typo is answered with the name that was meant."""
    with pytest.raises(ConfigError) as caught:
        score(features, scorer="log_msp")
    assert "Did you mean 'log_mps'" in str(caught.value.hint)


@pytest.mark.usefixtures("plugin")
def test_a_scorer_that_breaks_its_contract_is_stopped(features: pd.DataFrame) -> None:
    """Contributions above 0 would make probabilities above 1."""
    with pytest.raises(StageError, match="contributions <= 0"):
        score(features, scorer="broken")


def test_inputs_stay_and_bytes_repeat(features: pd.DataFrame) -> None:
    """The same features give the same bytes, whatever type their index has, and are not touched."""
    before = features.copy()
    first = encode(score(features))[0]
    pd.testing.assert_frame_equal(features, before)
    features.index = features.index.astype(object)
    assert encode(score(features))[0] == first


def test_how_many_features_may_be_missing_is_the_profiles_choice(features: pd.DataFrame) -> None:
    """By default a symbol that lacks one is not scored; where some may be missing, each counts as the median."""
    features.loc["S03", "momentum"] = np.nan
    features.loc["S07", ["momentum", "trend"]] = np.nan
    scored = {most: set(score(features, most).index) for most in (0, 1, 2, None)}
    everyone = set(features.index)
    assert scored == {0: everyone - {"S03", "S07"}, 1: everyone - {"S07"}, 2: everyone, None: everyone}
    filled = features.copy()
    filled.loc["S03", "momentum"] = features["momentum"].drop("S07").median()
    pd.testing.assert_frame_equal(score(features, 1), score(filled.drop("S07")))
