"""The package held to quantflow's contracts, on stand-ins for the system's own classes."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lake import SYMBOLS, make_lake
from tradingview_scraper.pipelines.selection.base import Winner

from quantflow import QuantSDK
from quantflow.config.data import DataConfig
from quantflow.config.load import load_profile
from quantflow.data.panel import Panel
from quantflow.errors import ConfigError
from quantflow.pipeline.arrange import pipeline_of
from quantflow.testing.provider_contract import ProviderContract
from quantflow.testing.stage_contract import StageContract
from quantflow_tradingview import stages
from quantflow_tradingview.command import main
from quantflow_tradingview.export import PORTFOLIO, WINNERS, documents
from quantflow_tradingview.ratings import FIELD, add_ratings, with_ratings

EXAMPLE = Path(__file__).parents[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a lakehouse, where their settings are looked for."""
    make_lake(tmp_path)
    shutil.copy(EXAMPLE / "quantflow.toml", tmp_path)
    for name in stages.theirs.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TV_HOME", str(tmp_path))
    return tmp_path


def closes() -> Panel:
    """Prices of the eight symbols."""
    random = np.random.default_rng(3)
    values = 50.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, (len(SYMBOLS), 300)), axis=1))
    days = np.arange("2022-01-01", "2022-10-28", dtype="datetime64[D]")[:300]
    return Panel(SYMBOLS, days, {"close": values})


@pytest.fixture
def made(home: Path) -> dict[str, Any]:
    """What all five make of these prices, one after the other."""
    index = pd.Index(SYMBOLS, name="symbol")
    ratings = pd.DataFrame({"date": pd.Timestamp("2022-01-05"), "symbol": SYMBOLS, "ratings.recommend": 0.5})
    have: dict[str, Any] = {"prices": closes(), "tables": ratings, "instruments": pd.DataFrame({"sector": "x"}, index)}
    for kind in (
        stages.IngestionStage,
        stages.FeatureStage,
        stages.InferenceStage,
        stages.ClusteringStage,
        stages.PolicyStage,
    ):
        stage = kind()
        have |= stage.run({name: have[name] for name in stage.needs}, stage.configured(SETTINGS))
    return have


SETTINGS = {
    "tv_ingestion": {},
    "tv_features": {"momentum_window": 40},
    "tv_clustering": {},
    "as_of": "2022-10-27",
    "profile": "tradingview",
}


class OfTheFive(StageContract):
    """A stage, given what the ones before it made."""

    @pytest.fixture
    def inputs(self, made: dict[str, Any]) -> dict[str, Any]:
        return {name: made[name] for name in self.stage().needs}

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return SETTINGS


class TestIngestion(OfTheFive):
    """Their ingestion."""

    stage = stages.IngestionStage


class TestFeatures(OfTheFive):
    """Their features."""

    stage = stages.FeatureStage


class TestInference(OfTheFive):
    """Their inference."""

    stage = stages.InferenceStage


class TestClustering(OfTheFive):
    """Their clustering."""

    stage = stages.ClusteringStage


class TestPolicy(OfTheFive):
    """Their policy."""

    stage = stages.PolicyStage


class TestProvider(ProviderContract):
    """The lakehouse."""

    start, end = date(2021, 1, 4), date(2021, 6, 30)

    @pytest.fixture
    def config(self, home: Path) -> DataConfig:
        return DataConfig(provider="lakehouse", path=str(home / "lakehouse"), instruments=str(home / "candidates.json"))


def test_a_rating_counts_from_the_day_on_which_it_was_known(made: dict[str, Any]) -> None:
    """What the candidates file says today is not used at a past date; no rating is none."""
    assert {each[FIELD] for each in made["candidates"]["value"]} == {0.5}
    early = made["tables"].iloc[:0]
    assert {each[FIELD] for each in with_ratings(made["candidates"]["value"], early)} == {None}


def test_winners_are_theirs_and_come_back_as_models(made: dict[str, Any]) -> None:
    """A list of their models is a table in between; the built-in stages after it read their own form."""
    assert set(made["winners"].index) == set(made["tv_winners"]["symbol"])
    assert list(made["tv_winners"].columns) == list(Winner.model_fields)
    assert made["decisions"]["outcome"].tolist().count("cut") == 1


def test_a_profile_without_ratings_is_refused_before_anything_runs(home: Path) -> None:
    """What the stages require is checked with the profile."""
    text = (home / "quantflow.toml").read_text()
    (home / "quantflow.toml").write_text(text.replace("tables.ratings", "tables.grades"))
    with pytest.raises(ConfigError, match="takes the table 'ratings'"):
        pipeline_of(load_profile("tradingview", workspace=home).settings())
    (home / "quantflow.toml").write_text(text)
    (home / "ratings.csv").write_text("symbol,date,grade\nNASDAQ:T0,2022-01-03,1\n")
    with pytest.raises(ConfigError, match="no column 'recommend'"):
        pipeline_of(load_profile("tradingview", workspace=home).settings())


def test_the_pipeline_makes_weights(home: Path) -> None:
    """Prices of the lakehouse to weights, by their five stages and the built-in rest."""
    context = QuantSDK.context("tradingview", workspace=home)
    chain = pipeline_of(context.settings)
    ids = [stage.id for stage in chain]
    assert ids[:6] == ["ingestion", "tv_ingestion", "features", "inference", "clustering", "policy"]
    for stage in chain[: ids.index("allocation") + 1]:
        context = stage.execute(context)
    assert context.load("weights")["weight"].sum() == pytest.approx(1.0)
    about = {"id": context.run_id, "profile": context.profile, "as_of": context.as_of}
    made = documents(SimpleNamespace(**about, load=context.load, outputs=context.artifacts))  # type: ignore[arg-type]
    json.dumps(made)
    assert sum(each["Net_Weight"] for each in made[PORTFOLIO]["assets"]) == pytest.approx(1.0)
    assert all(each["reasons"] == [f"cluster {each['cluster']}"] for each in made[WINNERS]["data"])
    assert {each["symbol"] for each in made[WINNERS]["data"]} == {each["Symbol"] for each in made[PORTFOLIO]["assets"]}


def test_ratings_are_added_and_never_rewritten(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second file of the same day adds nothing; what was known stays."""
    table = home / "kept.csv"
    arguments = ["ratings", str(home / "candidates.json"), str(table), "--date", "2022-12-28"]
    assert main(arguments) == 0
    assert "8 ratings of 2022-12-28 added" in capsys.readouterr().out
    found = json.loads((home / "candidates.json").read_text())
    (home / "candidates.json").write_text(json.dumps([{**each, FIELD: -1.0} for each in found]))
    assert add_ratings(home / "candidates.json", table, date(2022, 12, 28)) == 0
    assert add_ratings(home / "candidates.json", table, date(2022, 12, 29)) == 8
    assert pd.read_csv(table)["recommend"].tolist() == [0.9] * 8 + [-1.0] * 8


def test_nothing_is_exported_without_a_book(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Others read what passed the gates, or nothing."""
    assert main(["export", "tradingview", str(home / "out"), "--workspace", str(home)]) == 2
    assert "has no book" in capsys.readouterr().err
