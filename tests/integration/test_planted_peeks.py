"""Eight ways to know too much, each as a stage of a user: which check catches which, as the documentation says."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processes import SMALL
from quantflow.config.load import load_profile
from quantflow.errors import LookAheadError
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.play import play
from quantflow.pipeline.stage import Artifacts, SelectionContext
from quantflow.review.lookahead import check_lookahead
from quantflow.review.purity.check import CHANCE, MEMORY, SURROUNDINGS, UNDECLARED, check_purity, fetched

AS_OF = date(2022, 12, 28)

MODULE = """
import os
import random
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import create_model

from quantflow import BasePipelineStage, Kind, Section, StageConfig
from quantflow.config.data import DataConfig
from quantflow.data.providers import open_provider
from quantflow.data.providers.sample import SampleProvider
from quantflow.stages.allocation import AllocationStage, AllocationStageConfig
from quantflow.stages.features import FeaturesStage, FeaturesStageConfig

FILE = Path(__file__).with_name("secret") / "tilt.txt"
MORE = {"data": (DataConfig, ...), "as_of": (date, ...)}


class ProviderInFeatures(FeaturesStage):
    Config = create_model("C", __base__=FeaturesStageConfig, **MORE)

    def run(self, inputs, config):
        features = dict(super().run(inputs, config))["features"]
        bars = open_provider(config.data).bars(tuple(features.index), config.as_of, config.as_of + timedelta(30))
        bars = bars if isinstance(bars, pd.DataFrame) else pd.concat(list(bars))
        last = bars.sort_values("date").groupby("symbol")["close"].last()
        return {"features": features.assign(momentum=last.reindex(features.index).to_numpy())}


class Tilted(AllocationStage):
    def run(self, inputs, config):
        made = dict(super().run(inputs, config))
        weights = made["weights"]
        tilted = weights["weight"] * np.asarray(self.tilt(weights, inputs, config))
        return {**made, "weights": weights.assign(weight=tilted / tilted.abs().sum())}


class ProviderInAllocation(Tilted):
    Config = create_model("D", __base__=AllocationStageConfig, as_of=(date, ...))

    def tilt(self, weights, inputs, config):
        bars = SampleProvider(Section()).bars(tuple(weights.index), config.as_of, config.as_of + timedelta(30))
        closes = bars.pivot(index="date", columns="symbol", values="close")[list(weights.index)]
        return closes.iloc[-1] / closes.iloc[0]


SEEN = {}


class MemoryOfTheFirst(Tilted):
    def tilt(self, weights, inputs, config):
        last = inputs["prices"].frame().iloc[-1]
        return [SEEN.setdefault(name, last[name]) for name in weights.index]


class MemoryOfTheLast(Tilted):
    def tilt(self, weights, inputs, config):
        last = inputs["prices"].frame().iloc[-1]
        SEEN.update({name: max(SEEN.get(name, 0.0), last[name]) for name in last.index})
        return [SEEN[name] for name in weights.index]


class Environment(Tilted):
    def tilt(self, weights, inputs, config):
        return 1.0 + float(os.environ.get("PLANTED_TILT", "0")) * np.arange(len(weights))


class Declared(Environment):
    reads_env = ("PLANTED_TILT",)


class File(Tilted):
    def tilt(self, weights, inputs, config):
        return 1.0 + float(FILE.read_text()) * np.arange(len(weights))


class DeclaredFile(File):
    reads_files = (FILE,)


class RelativeFile(Tilted):
    def tilt(self, weights, inputs, config):
        file = Path("relative.txt")
        return 1.0 + (1.0 if file.exists() else 0.0) * np.arange(len(weights))


class Chance(Tilted):
    def tilt(self, weights, inputs, config):
        return [1.0 + random.random() for _ in weights.index]


class OrderOfASet(Tilted):
    def tilt(self, weights, inputs, config):
        return [1.0 + list(set(weights.index)).index(name) for name in weights.index]


class Signals(BasePipelineStage[StageConfig]):
    id, kind, needs, makes = "signals", Kind.COMPUTE, ("prices",), ("signals",)

    def run(self, inputs, config):
        return {"signals": self.signals(inputs["prices"].frame())}


class CentredWindow(Signals):
    def signals(self, close):
        return close.rolling(21, center=True).mean()


class GlobalZScore(Signals):
    def signals(self, close):
        return (close - close.mean()) / close.std()


class BackwardFill(Signals):
    def signals(self, close):
        return close.resample("W-FRI").last().reindex(close.index).bfill()
"""


@dataclass(frozen=True)
class Peek:
    """What is expected of a planted stage: the stage that each check names, and the cause."""

    lookahead: str = ""
    purity: str = ""
    cause: str = ""
    row: str = ""


EXPECTED = {
    "ProviderInFeatures": Peek("features", row="a provider called in features"),
    "ProviderInAllocation": Peek("allocation", row="a provider called in allocation"),
    "MemoryOfTheFirst": Peek("", "allocation", MEMORY, row="module memory, kept from the first call"),
    "MemoryOfTheLast": Peek("allocation", "allocation", MEMORY, row="module memory, changed by each call"),
    "CentredWindow": Peek("signals", row="a centred window"),
    "GlobalZScore": Peek("signals", row="a z-score over the whole sample"),
    "BackwardFill": Peek("signals", row="holes filled backwards"),
    "Environment": Peek("", "allocation", SURROUNDINGS, row="an environment variable"),
    "File": Peek("", "allocation", UNDECLARED, row="a file"),
    "RelativeFile": Peek("", "allocation", SURROUNDINGS, row="a file of the working folder"),
    "Chance": Peek("allocation", "allocation", CHANCE, row="chance, without a seed"),
    "OrderOfASet": Peek("", "allocation", SURROUNDINGS, row="the order of a set"),
    "Declared": Peek(),
    "DeclaredFile": Peek(),
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a profile per planted stage, a file that they read, and this process in it."""
    home = tmp_path_factory.mktemp("planted")
    (home / "secret").mkdir()
    (home / "secret" / "tilt.txt").write_text("0.5")
    (home / "relative.txt").write_text("")
    (home / "planted_peeks.py").write_text(MODULE)
    profile = '[profiles.{}]\nextends = "demo"\nstages = ["planted_peeks:{}"]\n'
    (home / "quantflow.toml").write_text("".join(profile.format(name.lower(), name) for name in EXPECTED))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLANTED_TILT", "0.5")
        patch.chdir(home)
        patch.setattr(sys, "path", [*sys.path, str(home)])
        yield home


@pytest.fixture(scope="module")
def given(workspace: Path) -> Artifacts:
    """What ingestion gives to all of them."""
    return fetched({**load_profile("demo", workspace=workspace, overrides=SMALL).settings(), "as_of": str(AS_OF)})


def profile(name: str, workspace: Path) -> Any:
    return load_profile(name.lower(), workspace=workspace, overrides=SMALL)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_checks_catch_what_is_planted(name: str, workspace: Path, given: Artifacts, tmp_path: Path) -> None:
    """The look-ahead check, or the purity check, names the stage and the cause; what is declared passes both."""
    planted, expected = profile(name, workspace), EXPECTED[name]
    looked = check_lookahead(planted, AS_OF, 3, 0, lambda line: None)
    assert {one.stage for one in looked.differences} == ({expected.lookahead} - {""})
    settings = {**planted.settings(), "as_of": str(AS_OF)}
    context = SelectionContext("", planted.name, AS_OF, settings, "")
    found = check_purity(context, given, tmp_path, workspace, lambda line: None).found
    first = {one.stage for one in found[:1]}
    assert first == ({expected.purity} - {""}), found
    assert not found or expected.cause in {one.cause for one in found}


@pytest.mark.parametrize("name", ["ProviderInFeatures", "ProviderInAllocation"])
def test_a_run_itself_refuses_what_comes_later(name: str, workspace: Path, given: Artifacts) -> None:
    """A stage that asks a provider for the next month ends the run, before anything is published."""
    settings = {**profile(name, workspace).settings(), "as_of": "2021-06-30"}
    stages = pipeline_of(settings)
    values = {**given, "prices": given["prices"].up_to(np.datetime64("2021-06-30"))}
    with pytest.raises(LookAheadError, match="history ends on 2021-06-30"):
        play(stages[1:7], values, settings)


def test_the_documentation_has_this_table() -> None:
    """Each planted peek has a row in it, with yes under the checks that catch it."""
    text = (Path(__file__).parents[2] / "docs" / "lookahead.md").read_text()
    for peek in EXPECTED.values():
        if peek.row:
            row = re.search(rf"^\| {re.escape(peek.row)} \|(.*)\|(.*)\|", text, re.M)
            assert row is not None, peek.row
            assert ["yes" in cell for cell in row.groups()] == [bool(peek.lookahead), bool(peek.purity)], peek.row
