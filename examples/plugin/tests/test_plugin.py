"""The package held to quantflow's own contracts; a package of yours can do the same."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from quantflow import QuantSDK
from quantflow.config.data import DataConfig
from quantflow.testing.provider_contract import ProviderContract
from quantflow.testing.stage_contract import StageContract, market
from quantflow_example.breadth import BreadthStage
from quantflow_example.tilt import BreadthInferenceStage
from quantflow_example.trend import share_above_average
from quantflow_example.wrapped import DispersionStage


class TestBreadth(StageContract):
    """A stage that joins."""

    stage = BreadthStage

    @pytest.fixture
    def inputs(self):
        return {"prices": market()}

    @pytest.fixture
    def settings(self):
        return {"breadth": {"window": 20}}


class TestDispersion(TestBreadth):
    """A wrapped stage is a stage like any other."""

    stage = DispersionStage

    @pytest.fixture
    def settings(self):
        return {"params": {"window": 10}}


class TestBreadthInference(StageContract):
    """A stage that replaces a built-in one."""

    stage = BreadthInferenceStage

    @pytest.fixture
    def inputs(self):
        context = QuantSDK.context("walks", workspace=Path(__file__).parents[1])
        prices = market()
        breadth = BreadthStage()
        config = breadth.configured({"breadth": {"window": 20}})
        features = QuantSDK.stage("features", context)
        described = features.run({"prices": prices}, features.configured(context.settings))
        return {**described, **breadth.run({"prices": prices}, config)}

    @pytest.fixture
    def settings(self):
        weights = {"momentum": 1.0, "trend": 0.5}
        return {"breadth": {"window": 20}, "scores": {"weights": weights}, "policy": {}}


class TestProvider(ProviderContract):
    """The provider."""

    start, end = date(2020, 1, 2), date(2020, 6, 30)

    @pytest.fixture
    def config(self):
        return DataConfig(provider="random_walk")


def test_breadth_counts_symbols_above_their_average():
    """Of two symbols one rises and one falls: half are above their average, once a window is full."""
    close = np.array([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
    share = share_above_average(close, 2)
    assert np.isnan(share[0])
    assert share[1:].tolist() == [0.5, 0.5, 0.5]
