"""The policy stage: the frames it makes, the levels it shows, and that each option matters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.features import FEATURES
from quantflow.config.sections import PolicyConfig
from quantflow.data.artifacts import decode, encode
from quantflow.data.panel import Panel
from quantflow.errors import DataError, InfeasibleError
from quantflow.pipeline.stage import step_runner
from quantflow.stages.clustering import ClusteringStage
from quantflow.stages.features import FeaturesStage
from quantflow.stages.inference import InferenceStage
from quantflow.stages.policy import VETOES, PolicyStage, PolicyStageConfig

STAGE = PolicyStage()
SYMBOLS = [f"S{i}" for i in range(8)]


def inputs() -> dict[str, Any]:
    """Return eight symbols in four clusters and two sectors, all sound; S0 scores best, S7 worst."""
    index = pd.Index(SYMBOLS, name="symbol")
    sound = {"volatility": 0.3, "kurtosis": 3.0, "drawdown": 0.2, "entropy": 0.9, "efficiency": 0.2, "hurst": 0.7}
    sound["observations"] = 504.0
    features = pd.DataFrame({name: sound.get(name, 0.1) for name in FEATURES}, index=index)
    features["liquidity"] = 1e7
    alpha = np.linspace(0.9, 0.2, 8)
    columns = {"direction": "LONG", "score": np.log(alpha), "alpha_score": alpha, "rank": np.arange(1, 9)}
    columns |= {"c_momentum": np.log(alpha), "c_liquidity": 0.0}
    return {
        "features": features,
        "scores": pd.DataFrame(columns, index=index),
        "clusters": pd.DataFrame({"cluster": [1, 2, 3, 4] * 2, "order": range(8)}, index=index),
        "instruments": pd.DataFrame({"name": SYMBOLS, "sector": ["Tech"] * 4 + ["Energy"] * 4}, index=index),
    }


def decide(given: dict[str, Any], **options: Any) -> dict[str, pd.DataFrame]:
    """Return what the stage makes."""
    return dict(STAGE.run(given, PolicyStageConfig(policy=PolicyConfig.model_validate(options))))


def test_winners_and_decisions_tell_the_same_story() -> None:
    """Winners by rank with their context; a decision for every symbol."""
    found = decide(inputs(), top_n=1, min_winners=4)
    winners, decisions = found["winners"], found["decisions"]
    assert winners.index.tolist() == ["S0", "S1", "S2", "S3"]
    assert list(winners) == ["direction", "cluster", "sector", "alpha_score", "rank", "level"]
    assert winners["sector"].unique().tolist() == ["Tech"]
    assert decisions.index.tolist() == SYMBOLS
    assert list(decisions) == ["outcome", "rule", "value", "limit", "margin", "level"]
    assert decisions.query("outcome == 'selected'").index.tolist() == winners.index.tolist()
    assert decisions.loc["S4", ["outcome", "rule"]].tolist() == ["cut", "top_n"]
    assert decisions.loc["S4", "margin"] == pytest.approx(-0.4)


def test_each_level_is_a_visible_step_until_there_are_enough() -> None:
    """Levels run one by one, by name, and stop at the first that suffices."""
    names: list[str] = []
    token = step_runner.set(lambda name, fn, args: (names.append(name), fn(*args))[1])
    try:
        given = inputs()
        given["features"].loc["S0":"S5", "entropy"] = 0.975
        found = decide(given, min_winners=5, max_entropy_z=-2)
    finally:
        step_runner.reset(token)
    assert names == ["policy level 1", "policy level 2"]
    summary = STAGE.summary(given, found)
    assert (summary.entered, summary.left, summary.note, summary.degraded) == (8, 8, "level 2", True)


def test_too_few_winners_are_still_winners() -> None:
    """When level 4 does not reach the minimum, what there is wins, and the run is marked degraded."""
    given = inputs()
    given["features"].loc["S1":, "volatility"] = 3.0
    found = decide(given)
    assert found["winners"].index.tolist() == ["S0"]
    assert found["decisions"]["level"].tolist() == [1] + [4] * 7
    assert STAGE.summary(given, found).degraded


def test_nobody_is_infeasible_and_names_the_worst_veto() -> None:
    """The hint names the rule that removed most, and the option to loosen."""
    given = inputs()
    given["features"]["kurtosis"] = 500.0
    given["features"].loc["S0", "volatility"] = 3.0
    with pytest.raises(InfeasibleError) as caught:
        decide(given)
    assert "7 of them fail 'max_kurtosis'. Loosen policy.max_kurtosis" in str(caught.value.hint)


def test_nobody_scored_is_infeasible_too() -> None:
    """Without any score there is no veto to loosen."""
    given = inputs()
    given["scores"] = given["scores"].iloc[:0]
    with pytest.raises(InfeasibleError) as caught:
        decide(given)
    assert "8 of them fail 'scored'" in str(caught.value.hint)


def test_features_that_the_market_lacks_do_not_count_as_ill_health() -> None:
    """Without volume nobody has a liquidity; with it, the one that lacks it is vetoed."""
    given = inputs()
    given["features"]["liquidity"] = np.nan
    assert len(decide(given, top_n=9)["winners"]) == 8
    given["features"].loc["S1":, "liquidity"] = 1e7
    decision = decide(given)["decisions"].loc["S0"]
    assert decision.tolist()[:5] == ["vetoed", "max_undefined", 1.0, 0.0, -1.0]


def test_features_without_weight_do_not_count_as_ill_health() -> None:
    """A feature that the score does not use may be missing."""
    given = inputs()
    given["features"].loc["S0", "skewness"] = np.nan
    assert len(decide(given, top_n=9)["winners"]) == 8


def test_spectral_limits_are_in_standard_errors_of_each_symbols_own_length() -> None:
    """The same entropy is noise over 250 returns' spread and order over 2,000; too few returns are not judged."""
    given = inputs()
    given["features"]["entropy"] = 0.96
    given["features"].loc[["S0", "S1", "S2"], "observations"] = [255.0, 2048.0, 100.0]
    decisions = decide(given, max_entropy_z=-2, top_n=9)["decisions"]
    assert decisions.loc["S0", ["outcome", "rule"]].tolist() == ["vetoed", "max_entropy_z"]
    assert decisions.loc["S0", "value"] == pytest.approx((0.96 - 0.945269) / 8.13577e-03)
    assert decisions.loc["S0", "limit"] == -2.0
    assert decisions.loc[["S1", "S2"], "outcome"].tolist() == ["selected", "selected"]


def test_symbols_without_sector_are_not_capped() -> None:
    """A market that does not know its sectors is not one sector."""
    given = inputs()
    given["instruments"]["sector"] = ["", "Unknown"] * 4
    assert len(decide(given, max_per_sector=1)["winners"]) == 8
    given["instruments"] = given["instruments"].iloc[:0]
    assert len(decide(given, max_per_sector=1)["winners"]) == 8


def test_a_symbol_without_cluster_is_an_error() -> None:
    """It is said which one, rather than guessed."""
    given = inputs()
    given["clusters"] = given["clusters"].drop(index="S2")
    with pytest.raises(DataError, match="'S2' has features but no cluster"):
        decide(given)


def test_order_of_rows_does_not_matter_and_bytes_repeat() -> None:
    """Shuffled and stored inputs give the bytes of sorted ones in memory, and inputs stay as they are."""
    plain = decide(inputs(), top_n=1)
    shuffled = {name: frame.sample(frac=1.0, random_state=4) for name, frame in inputs().items()}
    stored = {name: decode(*encode(frame)[:2]) for name, frame in shuffled.items()}
    before = {name: frame.copy() for name, frame in stored.items()}
    for name, frame in decide(stored, top_n=1).items():
        assert encode(frame)[0] == encode(plain[name])[0]
    for name, frame in stored.items():
        pd.testing.assert_frame_equal(frame, before[name])


FLIPS: dict[str, tuple[dict[str, float], Any]] = {
    "max_undefined": ({"momentum": np.nan}, "off"),
    "max_volatility": ({"volatility": 0.9}, 1.0),
    "max_kurtosis": ({"kurtosis": 40.0}, "off"),
    "max_drawdown": ({"drawdown": 0.7}, 0.5),
    "min_liquidity": ({"liquidity": 1e5}, 1e4),
    "max_entropy_z": ({"entropy": 0.975}, -1.0),
    "min_efficiency_z": ({"efficiency": 0.001}, 2.0),
    "min_hurst_z": ({"hurst": 0.502}, 2.0),
    "relaxation": ({"entropy": 0.995}, 1.0),
    "top_n": ({}, 1),
    "max_per_sector": ({}, 2),
    "min_alpha": ({}, 0.5),
    "min_winners": ({"volatility": 3.0}, 8),
    "max_winners": ({}, 6),
}


def test_flips_cover_every_option() -> None:
    """A new option cannot arrive without a test that it matters, and every veto is an option."""
    assert FLIPS.keys() == PolicyConfig.model_fields.keys()
    assert {rule for rule, *_ in VETOES} <= PolicyConfig.model_fields.keys()


@pytest.mark.parametrize("option", list(FLIPS))
def test_option_changes_the_outcome(option: str) -> None:
    """Each documented option has an effect, here with one symbol made unsound where that is needed."""
    given, (unsound, value) = inputs(), FLIPS[option]
    for feature, number in unsound.items():
        given["features"].loc["S1", feature] = number
    base = {"min_winners": 8, "max_entropy_z": -2.0} if option == "relaxation" else {"max_winners": 8}
    before, after = decide(given, **base)["decisions"], decide(given, **{**base, option: value})["decisions"]
    assert not before.equals(after)


def test_defaults_suit_twenty_large_stocks() -> None:
    """Over 30 years, the whole chain on defaults finds winners at most dates without relaxing anything."""
    from skfolio.datasets import load_sp500_dataset

    frame = load_sp500_dataset()
    sessions, close = frame.index.to_numpy().astype("datetime64[D]"), frame.to_numpy(dtype=np.float64).T
    panel = Panel(tuple(frame.columns), sessions, {"close": np.ascontiguousarray(close)})
    index = pd.Index(frame.columns, name="symbol")
    stages = [FeaturesStage(), InferenceStage(), ClusteringStage(), STAGE]
    levels, counts = [], []
    for stop in range(600, len(frame), 400):
        made: dict[str, Any] = {"prices": panel.window(stop - 600, stop)}
        made["instruments"] = pd.DataFrame({"sector": ""}, index=index)
        for stage in stages:
            settings: dict[str, Any] = {name: {} for name in stage.Config.model_fields}
            made |= stage.run(made, stage.configured(settings))  # type: ignore[arg-type]
        levels.append(int(made["decisions"]["level"].max()))
        counts.append(len(made["winners"]))
    assert np.mean(np.array(levels) == 1) >= 0.8
    assert min(counts) >= 5
    assert max(counts) <= 17
