"""The stage that compares features and scores with what came after, at each rebalance as they were known then."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from quantflow.config.profile import Profile
from quantflow.data.artifacts import decode, encode
from quantflow.data.panel import Panel
from quantflow.data.quality.roster import roster
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.keys import fingerprint
from quantflow.pipeline.play import play
from quantflow.pipeline.registry import StageRegistry
from quantflow.stages.report.page import LINKS
from quantflow.stages.signals import SignalsStage, score_of
from quantflow.stages.validation import ValidationStage
from stocks import twenty_stocks

SHORT = {
    "features": {"lookback": 252},
    "rebalance": {"every": "monthly"},
    "validation": {"min_history": 300},
    "signals": {"horizons": [21, 1, 5]},
}


def settings(**changes: dict[str, Any]) -> dict[str, Any]:
    """A profile with short lookbacks, and some sections changed."""
    sections = {name: {**SHORT.get(name, {}), **changes.get(name, {})} for name in {*SHORT, *changes}}
    return Profile(name="test", **sections).settings()


@pytest.fixture(scope="module")
def market() -> dict[str, Any]:
    """What ingestion gives of twenty stocks over 800 sessions, of which one ends early."""
    return given(*twenty_stocks(800))


def given(panel: Panel, instruments: pd.DataFrame) -> dict[str, Any]:
    """What ingestion gives of a panel."""
    nobody = Panel((), panel.sessions, {"close": np.empty((0, len(panel.sessions)))})
    who = roster(instruments, panel.symbols, None)
    return {"prices": panel, "instruments": instruments, "past": nobody, "roster": who}


def examined(inputs: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    """The stage's outputs under a changed profile."""
    stage = SignalsStage()
    return dict(stage.run(inputs, stage.configured(settings(**changes))))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def outputs(market: dict[str, Any]) -> dict[str, Any]:
    """The figures under the short profile."""
    return examined(market)


def test_a_profile_asks_for_it_or_does_without() -> None:
    """Without a horizon no stage is added and none needs it; with one it comes before the report."""
    plain = pipeline_of(settings(signals={"horizons": []}))
    asked = pipeline_of(settings())
    assert "signals" not in [stage.id for stage in plain]
    assert [stage.id for stage in asked][-2:] == ["signals", "report"]
    assert "signals" in asked[-1].needs
    assert "signals" not in plain[-1].needs
    assert "signals" in dict(LINKS)


def test_a_coefficient_is_that_of_the_scores_of_that_date(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """At one rebalance it equals Spearman's, of scores made on data up to then and returns after the trade."""
    table = outputs["signal_history"]
    day = table["date"].unique()[4]
    at = int(np.searchsorted(market["prices"].sessions, np.datetime64(day, "D")))
    then = market["prices"].window(0, at + 1)
    values = {"prices": then.select([s for s, c in zip(then.symbols, then.close[:, -1], strict=True) if c == c])}
    made = play([StageRegistry.get(name) for name in ("features", "inference")], values, settings())
    close = pd.DataFrame(market["prices"].close, index=market["prices"].symbols).ffill(axis=1)
    earned = close[at + 1 + 5] / close[at + 1] - 1
    for signal, known in (("score", made["scores"]["alpha_score"]), ("volatility", -made["features"]["volatility"])):
        found = table[(table["date"] == day) & (table["signal"] == signal) & (table["horizon"] == 5)]["ic"].item()
        assert found == pytest.approx(stats.spearmanr(known, earned[known.index]).statistic, abs=1e-10)


def test_later_prices_change_no_coefficient_that_is_known(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """On shorter history the coefficients whose horizons have ended are the same."""
    shorter = examined(market | {"prices": market["prices"].window(0, 650)})
    keys = ["date", "signal", "horizon"]
    both = shorter["signal_history"].merge(outputs["signal_history"], on=keys, suffixes=("", "_whole"), how="left")
    assert len(both) > 100
    np.testing.assert_allclose(both["ic"], both["ic_whole"], rtol=0, atol=1e-12)


def test_scrambled_prices_after_a_date_leave_its_signals(market: dict[str, Any]) -> None:
    """The correlations among signals and how ranks keep, at dates before, do not depend on what came after."""
    close = market["prices"].close.copy()
    close[:, 520:] = np.random.default_rng(0).uniform(1, 100, close[:, 520:].shape)
    panel = market["prices"]
    stage = SignalsStage()
    config = stage.configured(settings())
    at = np.array([400, 450, 500])
    able = np.isfinite(close[:, at]).T
    calm, wild = (
        stage._signals(one, at, able, market, config)  # type: ignore[arg-type]
        for one in (panel, Panel(panel.symbols, panel.sessions, {"close": close}))
    )
    for name, signal in calm.items():
        np.testing.assert_array_equal(signal, wild[name])


def test_a_planted_momentum_is_found_and_its_opposite_has_the_other_sign() -> None:
    """Where past winners go on winning momentum has a clear coefficient; preferring losers turns its sign."""
    rng = np.random.default_rng(1)
    drift = np.linspace(-0.002, 0.002, 30)
    close = 100 * np.exp(np.cumsum(rng.normal(drift[:, None], 0.01, (30, 900)), axis=1))
    symbols = tuple(f"S{i:02d}" for i in range(30))
    sessions = np.arange(np.datetime64("2015-01-01"), np.datetime64("2015-01-01") + 900)
    columns = {"name": symbols, "sector": "X", "currency": "USD", "exchange": "X"}
    inputs = given(Panel(symbols, sessions, {"close": close}), pd.DataFrame(columns, index=pd.Index(symbols)))
    loose = {"weights": {"momentum": 1.0}}
    high = examined(inputs, scores=loose)["signals"]
    low = examined(inputs, scores=loose | {"prefer": {"momentum": "low"}})["signals"]
    assert score_of(high)["horizons"][2]["ic"]["t"] > 5
    assert score_of(high)["spread"]["net"] > 0.2
    assert score_of(high)["spread"]["net"] < score_of(high)["spread"]["gross"]
    assert score_of(high)["rank_autocorrelation"] > 0.8
    for one, other in zip(high["signals"], low["signals"], strict=True):
        assert one["horizons"][0]["ic"]["mean"] == pytest.approx(-other["horizons"][0]["ic"]["mean"], abs=1e-12)
    shorts = examined(inputs, scores=loose | {"directions": ["SHORT"]})["signals"]
    assert score_of(shorts)["horizons"][2]["ic"]["mean"] == pytest.approx(score_of(high)["horizons"][2]["ic"]["mean"])


def test_names_that_cannot_be_used_are_not_ranked(market: dict[str, Any]) -> None:
    """A name that has ended has no signal after that, and no forward return where it cannot be bought."""
    stage = SignalsStage()
    config = stage.configured(settings())
    at = np.array([450, 600])
    able = np.isfinite(market["prices"].close[:, at]).T
    found = stage._signals(market["prices"], at, able, market, config)  # type: ignore[arg-type]
    for signal in found.values():
        assert np.isfinite(signal).sum(axis=1).tolist() == [20, 19]
        assert np.isnan(signal[1, 3])


def test_the_record_is_an_artifact_in_order(outputs: dict[str, Any]) -> None:
    """Score first, horizons rising, no NaN, and the same after it was stored."""
    record = outputs["signals"]
    assert decode(*encode(record)[:2]) == json.loads(json.dumps(record))
    assert record["signals"][0]["name"] == "score"
    assert [at["horizon"] for at in score_of(record)["horizons"]] == [1, 5, 21]
    assert [at["later"]["after"] for at in score_of(record)["horizons"]] == [0, 1, 5]
    assert outputs["signal_history"]["date"].is_monotonic_increasing


def test_its_key_is_that_of_what_it_reads() -> None:
    """Settings of allocation, policy limits and benchmark leave its result; features, scores and costs change it."""

    def mark(**changes: dict[str, Any]) -> str:
        found = settings(**changes) | {"as_of": "2022-12-28"}
        stage = next(stage for stage in pipeline_of(found) if stage.id == "signals")
        return fingerprint(stage, "run", found, {}).config

    same = ({"allocation": {"method": "equal_weight"}}, {"policy": {"top_n": 1}}, {"validation": {"benchmark": "KO"}})
    other = (
        {"features": {"lookback": 300}},
        {"scores": {"weights": {"momentum": 2.0}}},
        {"validation": {"slippage_bps": 9.0}},
        {"signals": {"horizons": [3]}},
        {"rebalance": {"lag": 2}},
        {"policy": {"max_undefined": 1}},
    )
    assert {mark(**changes) for changes in same} == {mark()}
    assert mark() not in {mark(**changes) for changes in other}


def test_it_can_be_sent_to_a_worker() -> None:
    """A stage that is bound to a pipeline is the same after pickling."""
    stage = next(stage for stage in pipeline_of(settings()) if stage.id == "signals")
    again = pickle.loads(pickle.dumps(stage))  # noqa: S301
    assert [one.id for one in again.chain] == ["features", "inference"]
    assert again.needs == stage.needs
    assert again.Config.model_fields.keys() == stage.Config.model_fields.keys()
    assert {"features", "inference"} < {module.rpartition(".")[2] for module in stage.modules()}
    assert ValidationStage().needs == stage.needs


def test_few_names_and_one_rebalance_have_no_figures_and_no_error(market: dict[str, Any]) -> None:
    """Where nothing can be said the figures are None, and the summary says so."""
    panel = market["prices"].select(market["prices"].symbols[6:10]).window(0, 400)
    few = given(panel, market["instruments"].loc[list(panel.symbols)])
    found = examined(few, validation={"min_history": 360}, rebalance={"every": 300})
    score = score_of(found["signals"])
    assert found["signals"]["rebalances"] == 1
    assert [at["ic"]["mean"] for at in score["horizons"]] == [None, None, None]
    assert (score["spread"], score["rank_autocorrelation"]) == (None, None)
    assert len(found["signal_history"]) == 0
    assert SignalsStage().summary(few, found).note == "score IC n/a at 1 session (t n/a)"
