"""The features stage: its table, its options, its place in the pipeline."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from quantflow.config.calendar import CalendarConfig
from quantflow.config.features import FEATURES
from quantflow.config.sections import FeaturesConfig
from quantflow.data.panel import Panel
from quantflow.data.store import ArtifactStore
from quantflow.pipeline.registry import StageRegistry
from quantflow.pipeline.stage import SelectionContext
from quantflow.quant.features import FeatureWindows
from quantflow.stages.features import FeaturesStage, FeaturesStageConfig

FLIPS = {"lookback": 300, "momentum_long": 200, "momentum_skip": 0, "trend_window": 50}


def panel(sessions: int = 600) -> Panel:
    """Return three random walks; the last symbol is listed late."""
    rng = np.random.default_rng(2)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, (3, sessions)), axis=1))
    close[2, : sessions - 100] = np.nan
    dates = np.datetime64("2020-01-01") + np.arange(sessions)
    return Panel(("AAA", "BBB", "CCC"), dates, {"close": close, "volume": np.full_like(close, 1000.0)})


def features(calendar: str = "XNYS", **options: int) -> pd.DataFrame:
    """Return the stage's table under *options*."""
    config = FeaturesStageConfig(features=FeaturesConfig(**options), calendar=CalendarConfig(name=calendar))
    table: pd.DataFrame = FeaturesStage().run({"prices": panel()}, config)["features"]
    return table


def test_one_row_per_symbol_and_one_column_per_feature() -> None:
    """The table has the panel's symbols in order, and the promised float64 columns in order."""
    table = features()
    assert list(table.index) == ["AAA", "BBB", "CCC"]
    assert table.index.name == "symbol"
    assert tuple(table.columns) == tuple(FEATURES)
    assert (table.dtypes == np.float64).all()
    assert table["adx"].isna().all()


def test_flips_cover_every_option() -> None:
    """A new option cannot arrive without a test that it matters, and the defaults are those of the numerics."""
    assert FLIPS.keys() == FeaturesConfig.model_fields.keys()
    assert FeaturesConfig().model_dump() == vars(FeatureWindows())


@pytest.mark.parametrize("option", FLIPS)
def test_option_changes_the_outcome(option: str) -> None:
    """Each documented option has an effect."""
    assert not features(**{option: FLIPS[option]}).equals(features())


def test_only_volatility_is_annualised() -> None:
    """The calendar decides how volatility is annualised, and nothing else."""
    weekdays, always = features(), features(calendar="24/7")
    np.testing.assert_allclose(always["volatility"], weekdays["volatility"] * np.sqrt(365 / 252), rtol=1e-14)
    pd.testing.assert_frame_equal(always.drop(columns="volatility"), weekdays.drop(columns="volatility"))


@pytest.mark.parametrize(
    "wrong", [{"lookback": 127}, {"momentum_long": 21}, {"trend_window": 1}, {"momentum_skip": -1}, {"window": 3}]
)
def test_config_refuses_what_cannot_work(wrong: dict[str, Any]) -> None:
    """Windows outside their bounds, a skip that is not a shorter than the lag, and unknown keys are errors."""
    with pytest.raises(ValidationError):
        FeaturesConfig(**wrong)


def test_inputs_are_not_changed() -> None:
    """The panel's arrays have the same bytes after the run."""
    prices = panel()
    before = {name: values.tobytes() for name, values in prices.fields.items()}
    config = FeaturesStageConfig(features=FeaturesConfig(), calendar=CalendarConfig())
    FeaturesStage().run({"prices": prices}, config)
    assert {name: values.tobytes() for name, values in prices.fields.items()} == before


def test_summary_counts_symbols_and_names_what_they_lack() -> None:
    """The line for people says how many symbols there are and which features are missing for some."""
    table = features()
    summary = FeaturesStage().summary({"prices": panel()}, {"features": table})
    assert (summary.entered, summary.left) == (3, 3)
    assert summary.note == "undefined: momentum 1, entropy 1, hurst 1, trend 1, adx 3"


def test_runs_through_the_artifact_store(tmp_path: Path) -> None:
    """Found by its id, the stage reads prices from the store and writes features that read back equal."""
    store = ArtifactStore(tmp_path)
    prices = panel()
    as_of = date(2021, 8, 22)
    sections = {"features": {}, "calendar": {"name": "XNYS"}, "as_of": as_of.isoformat()}
    context = SelectionContext("r1", "demo", as_of, sections, str(tmp_path), {"prices": store.put("prices", prices)})
    after = StageRegistry.get("features").execute(context)
    assert after.artifacts["features"].rows == 3
    pd.testing.assert_frame_equal(after.load("features"), features())


def test_importing_the_stage_is_light() -> None:
    """The stage's module imports neither numba nor pandas; they come when it runs."""
    code = "import sys, quantflow.stages.features; print({'numba', 'pandas', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
