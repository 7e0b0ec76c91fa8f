"""The stage contract on built-in stages, and that it can fail."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from quantflow import BasePipelineStage, Kind, StageConfig
from quantflow.config.profile import Profile
from quantflow.stages.clustering import ClusteringStage
from quantflow.stages.features import FeaturesStage
from quantflow.testing.stage_contract import StageContract, market


class TestFeatures(StageContract):
    """Features."""

    stage = FeaturesStage

    @pytest.fixture
    def inputs(self) -> dict[str, Any]:
        return {"prices": market()}

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return Profile(name="test").settings()


class TestClustering(TestFeatures):
    """Clustering."""

    stage = ClusteringStage


class Bad(BasePipelineStage[StageConfig]):
    """Does all that a stage must not."""

    id, kind, needs, makes = "bad", Kind.COMPUTE, ("prices",), ("table", "never")
    runs = 0

    def run(self, inputs: Any, config: Any) -> Any:
        Bad.runs += 1
        prices = inputs["prices"]
        prices.close[0, 0] += 1.0
        backwards = pd.DataFrame({"x": prices.close[0, ::-1] + Bad.runs}, index=pd.DatetimeIndex(prices.sessions))
        return {"table": backwards.rename_axis("date")}


@pytest.mark.parametrize(
    "promise",
    [
        "it_makes_what_it_declares",
        "the_same_gives_the_same",
        "it_leaves_its_inputs_alone",
        "what_comes_later_does_not_matter",
    ],
)
def test_a_stage_that_breaks_a_promise_is_caught(promise: str) -> None:
    """Each of these tests is red on a stage that does what it forbids."""
    suite = type("Suite", (StageContract,), {"stage": Bad})()
    given: dict[str, Any] = {"inputs": {"prices": market()}, "config": StageConfig(), "session": date(2023, 12, 29)}
    check = getattr(suite, f"test_{promise}")
    names = check.__code__.co_varnames[1 : check.__code__.co_argcount]
    with pytest.raises(AssertionError):
        check(**{name: given[name] for name in names})
