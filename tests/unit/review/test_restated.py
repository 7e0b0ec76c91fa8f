"""Restated history: which bars have changed, and who would have won with the bars as they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.load import load_profile
from quantflow.data.restated import as_it_was, former_bars
from quantflow.data.store import ArtifactRef
from quantflow.pipeline.stage import SelectionContext
from quantflow.review.facts import facts_of
from quantflow.review.restated import Restatement, restatement
from quantflow.runs.as_of import resolve_as_of
from quantflow.runs.create import create_run
from quantflow.runs.record import StageRecord
from quantflow.runs.run import Run
from quantflow.sdk import QuantSDK

CHOSEN = ("ingestion", "features", "inference", "clustering", "policy", "synthesis", "allocation")


@dataclass(frozen=True)
class Made:
    """A run that came up to its weights, and the context that it came to."""

    record: Run
    context: SelectionContext

    def former(self, **factors: Any) -> dict[str, ArtifactRef]:
        """Its artifacts, had each of some symbols' last 300 bars been another multiple before."""
        prices = self.context.load("prices")
        days = tuple(prices.sessions[-300:].astype(object))
        table = prices.frame()[-300:]
        bars = {name: pd.DataFrame({"date": table.index, "close": table[name] * by}) for name, by in factors.items()}
        provider = SimpleNamespace(restated=dict.fromkeys(factors, days), former=bars)
        ref = self.context.store().put("former", former_bars(provider, prices))
        return {**self.context.artifacts, "former": ref}


def restated(made: Made, artifacts: Mapping[str, ArtifactRef]) -> Restatement | None:
    """What is found of the run, were these its artifacts."""
    made.record.write_stage(StageRecord("ingestion", "done", outputs=artifacts))
    return restatement(made.record)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The demo on six years."""
    home = tmp_path_factory.mktemp("restated")
    profile = load_profile("demo", workspace=home, overrides=("data.start=2017-01-01",))
    record = create_run(profile, home, resolve_as_of(profile, None), "one")
    return Made(record, QuantSDK.run_pipeline(record.context(), CHOSEN))


def test_without_a_change_there_is_nothing_to_tell(made: Made) -> None:
    """A run whose bars are what they were has no restatement, nor has one without ingestion."""
    assert restated(made, made.context.artifacts) is None
    assert restated(made, {}) is None


def test_the_selection_with_the_former_bars_is_that_of_a_run_on_them(made: Made) -> None:
    """Names that enter and leave, and the weights, are those of the same stages on the panel as it was."""
    best, *_ = made.context.load("winners").index
    artifacts = made.former(**{best: 0.2})
    panel = as_it_was(made.context.load("prices"), made.context.store().get(artifacts["former"]))
    ref = made.context.store().put("prices", panel)
    before = QuantSDK.run_pipeline(
        replace(made.context, artifacts={**made.context.artifacts, "prices": ref}), CHOSEN[1:]
    )
    now, then = set(made.context.load("winners").index), set(before.load("winners").index)
    moved = made.context.load("weights")["weight"].sub(before.load("weights")["weight"], fill_value=0).abs().max()
    found = restated(made, artifacts)
    assert found is not None
    assert best in found.entered
    assert (set(found.entered), set(found.left)) == (now - then, then - now)
    assert found.moved == pytest.approx(moved)
    assert len(found.days[best]) == 300
    assert f"the provider changed 300 bars of 1 symbol ({found.days[best][0]} to 2022-12-28)" in found.line
    assert f"the selection would be without {best}" in found.line


def test_a_change_that_changes_nothing_says_so(made: Made) -> None:
    """Bars that are the same again leave the names and weights as they are."""
    found = restated(made, made.former(AAPL=1.0))
    assert found is not None
    assert (found.entered, found.left, found.moved) == ((), (), 0.0)
    assert "would win, and weights differ by up to 0.00%" in found.line


def test_what_cannot_be_compared_is_told_without_failing(made: Made) -> None:
    """Former bars on which nobody wins, and a run without weights, leave the days and a reason."""
    symbols = made.context.load("prices").symbols
    lost = restated(made, made.former(**dict.fromkeys(symbols, np.resize([0.2, 5.0], 300))))
    assert lost is not None
    assert "the selection before is not known: None of 20 symbols" in lost.line
    early = {name: ref for name, ref in made.former(AAPL=2.0).items() if name != "weights"}
    unfinished = restated(made, early)
    assert unfinished is not None
    assert unfinished.unknown == "the run has no weights yet"


def test_the_report_is_told(made: Made) -> None:
    """The facts that the report reads have the line among their notes, though the run is not degraded."""
    artifacts = made.former(AAPL=0.5)
    for stage in CHOSEN:
        outputs: dict[str, Any] = {"ingestion": artifacts}.get(stage, {})
        made.record.write_stage(StageRecord(stage, "done", outputs=outputs))
    facts = facts_of(made.record)
    assert not facts["degraded"]
    (note,) = facts["notes"]
    assert note.startswith("restated history: the provider changed 300 bars of 1 symbol")


def test_a_bar_that_was_not_there_is_a_hole_in_the_former_panel(made: Made) -> None:
    """A restated day without a former bar had none; days off the panel and other symbols are left out."""
    prices = made.context.load("prices")
    last = prices.sessions[-1].astype(object)
    none = pd.DataFrame({"date": pd.to_datetime([]), "close": []})
    provider = SimpleNamespace(restated={"AAPL": (last,), "ZZZ": (last,)}, former={"AAPL": none, "ZZZ": none})
    former = former_bars(provider, prices)
    assert former["symbol"].tolist() == ["AAPL"]
    before = as_it_was(prices, former)
    assert np.isnan(before.close[prices.symbols.index("AAPL"), -1])
    assert np.isfinite(prices.close).all()
    assert int(np.isnan(before.close).sum()) == 1


def test_the_former_bars_are_an_artifact_of_their_own(made: Made) -> None:
    """An empty table of former bars is stored and comes back with its columns."""
    former = made.context.load("former")
    assert former.empty
    assert list(former.columns[:2]) == ["symbol", "date"]
    assert former["date"].dtype.kind == "M"
