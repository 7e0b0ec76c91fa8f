"""Features and allocation methods are declared in one table each; all that allows or makes them follows from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.config.features import FEATURES, Feature
from quantflow.config.load import load_profile
from quantflow.config.meta import MetaAllocation
from quantflow.config.methods import METHODS
from quantflow.config.profile import Profile
from quantflow.config.sections import AllocationConfig, ScoresConfig
from quantflow.errors import ConfigError, InfeasibleError
from quantflow.pipeline.play import play
from quantflow.pipeline.registry import StageRegistry
from quantflow.quant import features
from quantflow.quant.allocation import RULES, allocate
from quantflow.quant.kernels import KERNEL_COLUMNS
from quantflow.quant.limits import Limits
from quantflow.testing.stage_contract import market

MODULE = """
import numpy as np
def first(returns, limits): return np.eye(limits.names)[0]
def none(returns, limits): raise ValueError("no answer")
"""
POINTS = """
[quantflow.allocations]
first = plugged_methods:first
none = plugged_methods:none
lost = no_such_module_here:method
"""


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that registers allocation methods."""
    info = tmp_path / "plugged_methods-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged-methods\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    (tmp_path / "plugged_methods.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_each_feature_is_made_once() -> None:
    """The compiled loop and the numpy columns make the table's features, each one of them by one of the two."""
    assert sorted([*KERNEL_COLUMNS, *features.COLUMNS]) == sorted(FEATURES)


def test_each_feature_says_what_it_is() -> None:
    """Unit, definition and the least number of observations are there."""
    assert all(feature.unit and feature.meaning and feature.least for feature in FEATURES.values())


def test_a_feature_is_a_row_and_a_line_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """With both it is computed, weighted and read the right way round, and the other columns stay as they are."""
    values, settings = {"prices": market(6, 600)}, Profile(name="p").settings()
    stage = StageRegistry.get("features")
    before = play([stage], values, settings)["features"]
    row = Feature("probe", "low", "fraction", "return of the last session", "2 bars", directional=True)
    monkeypatch.setitem(FEATURES, "probe", row)  # type: ignore[arg-type]
    column = {"probe": lambda bars, windows: bars["close"][:, -1] / bars["close"][:, -2] - 1.0}
    monkeypatch.setattr(features, "COLUMNS", {**features.COLUMNS, **column})
    after = play([stage], values, settings)["features"]
    close = values["prices"].close
    np.testing.assert_array_equal(after["probe"], close[:, -1] / close[:, -2] - 1.0)
    pd.testing.assert_frame_equal(after.drop(columns="probe"), before)
    scores = ScoresConfig(weights={"probe": 1.0})
    assert (scores.sign("probe", "LONG"), scores.sign("probe", "SHORT")) == (-1.0, 1.0)


def test_a_hole_is_nan_in_a_numpy_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    """A price that is not positive and finite is not shown to it; before the first bar there is NaN too."""
    monkeypatch.setitem(FEATURES, "last", Feature("last", "high", "price", "last close", "1 bar"))  # type: ignore[arg-type]
    monkeypatch.setattr(features, "COLUMNS", {**features.COLUMNS, "last": lambda bars, windows: bars["close"][:, -1]})
    close = np.full((3, 300), 10.0)
    close[1:, -1] = 0.0, np.inf
    for sessions, expected in ((300, [10.0, np.nan, np.nan]), (0, [np.nan] * 3)):
        found = features.compute({"close": close[:, :sessions]}, features.FeatureWindows(), 252)["last"]
        np.testing.assert_array_equal(found, expected)


def test_each_method_has_a_rule() -> None:
    """The table and the functions name the same methods."""
    assert set(METHODS) == set(RULES)


def test_a_method_of_the_table_is_allowed_and_no_other(tmp_path: Path) -> None:
    """A misspelt one is refused with the nearest name; among sleeves those of the table that may be used there."""
    with pytest.raises(ConfigError, match=r"'equal_weight', .* or 'hrp'") as caught:
        load_profile("demo", workspace=tmp_path, overrides=["allocation.method=hpr"])
    assert caught.value.hint == "Did you mean 'hrp'?"
    assert AllocationConfig(method="inverse_volatility").method == "inverse_volatility"
    with pytest.raises(ValueError, match="should be 'equal_weight', 'min_variance'"):
        MetaAllocation(method="inverse_volatility")


def test_a_package_brings_a_method(plugged: Path) -> None:
    """It is allowed in a profile and among sleeves, keeps the limits, falls back, and counts as code of the stage."""
    profile = load_profile("demo", workspace=plugged, overrides=['allocation.method="first"'])
    assert profile.allocation.chain[0] == MetaAllocation(method="first").method == "first"
    returns = np.random.default_rng(1).normal(0.0, 0.01, (4, 200))
    found = allocate(returns, Limits(4, 1.0, 0.1, 0.5), ("none", "first"))
    assert [(each.method, each.outcome) for each in found.attempts] == [("none", "failed"), ("first", "used")]
    assert found.weights.argmax() == 0
    assert found.weights.min() >= 0.1 - 1e-9
    assert "plugged_methods" in StageRegistry.get("allocation").modules()
    with pytest.raises(ConfigError, match=r"'lost'.*cannot be imported"):
        allocate(returns, Limits(4, 1.0, 0.0, 1.0), ("lost",))
    with pytest.raises(InfeasibleError, match="60 are needed"):
        allocate(returns[:, :50], Limits(4, 1.0, 0.0, 1.0), ("first",))
