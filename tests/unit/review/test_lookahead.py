"""The look-ahead check: silent about stages that only look back, loud about each way of looking ahead."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from pydantic import create_model

from quantflow.config.data import DataConfig
from quantflow.config.profile import Profile
from quantflow.config.sections import Section
from quantflow.data.horizon import history_ends
from quantflow.data.panel import Panel
from quantflow.data.providers import open_provider
from quantflow.data.providers.sample import SampleProvider
from quantflow.errors import DataError, LookAheadError, StageError
from quantflow.pipeline.registry import SELECTION, StageRegistry
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, SelectionContext, StageConfig
from quantflow.quant.scores import SCORERS
from quantflow.review import lookahead
from quantflow.review.lookahead import Lookahead, check_lookahead, probe_positions
from quantflow.stages.allocation import AllocationStage, AllocationStageConfig
from quantflow.stages.features import FeaturesStage, FeaturesStageConfig
from quantflow.stages.validation import ValidationStage

AS_OF = date(2022, 12, 28)
Check = Callable[..., Lookahead]


class Joining(BasePipelineStage[StageConfig]):
    """A stage that joins the pipeline and makes a table of sessions by symbols."""

    id = "signals"
    kind = Kind.COMPUTE
    needs = ("prices",)
    makes = ("signals",)

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return the table."""
        return {"signals": self.signals(inputs["prices"].frame())}

    def signals(self, close: pd.DataFrame) -> pd.DataFrame:
        """Return the deviation from a trailing mean, of which nothing looks ahead."""
        return close / close.rolling(20).mean() - 1


class Shifted(Joining):
    """Tells each session what the next one brings."""

    def signals(self, close: pd.DataFrame) -> pd.DataFrame:
        """Return tomorrow's returns."""
        return close.pct_change().shift(-1)


class Normalised(Joining):
    """Measures each session against the mean of the whole sample."""

    def signals(self, close: pd.DataFrame) -> pd.DataFrame:
        """Return z-scores."""
        return (close - close.mean()) / close.std()


class Replaced(BasePipelineStage[StageConfig]):
    """Hands on prices of which each is the next session's."""

    id = "cleaning"
    kind = Kind.COMPUTE
    needs = ("prices",)
    makes = ("prices",)

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return the panel with its closes moved."""
        prices: Panel = inputs["prices"]
        moved = np.concatenate((prices.close[:, 1:], prices.close[:, -1:]), axis=1)
        return {"prices": Panel(prices.symbols, prices.sessions, {"close": moved})}


class PeekingConfig(FeaturesStageConfig):
    """Names the provider, which a stage has no business with."""

    data: DataConfig
    as_of: date


class Peeking(FeaturesStage):
    """Asks the provider for the bars after the as-of."""

    Config: ClassVar[type[StageConfig]] = PeekingConfig

    def run(self, inputs: Inputs, config: Any) -> Outputs:
        """Return features, the momentum of which is the latest close that the provider has by next week."""
        features = dict(super().run(inputs, config))["features"]
        found = open_provider(config.data).bars(tuple(features.index), config.as_of, config.as_of + timedelta(7))
        bars = found if isinstance(found, pd.DataFrame) else pd.concat(list(found))
        latest = bars.sort_values("date").groupby("symbol")["close"].last()
        return {"features": features.assign(momentum=latest.reindex(features.index).to_numpy())}


class PeekingAllocation(AllocationStage):
    """Weighs each name by what it earns in the month after the decision, if a provider will say."""

    Config: ClassVar[type[StageConfig]] = create_model(
        "PeekingAllocationConfig", __base__=AllocationStageConfig, data=(DataConfig, ...), as_of=(date, ...)
    )

    def run(self, inputs: Inputs, config: Any) -> Outputs:
        """Return weights that grow with next month's return."""
        made = dict(super().run(inputs, config))
        provider = self.provider(config)
        names, last = tuple(made["weights"].index), provider.last_date()
        end = min(config.as_of + timedelta(30), last)
        bars = provider.bars(names, config.as_of, end)
        bars = bars if isinstance(bars, pd.DataFrame) else pd.concat(list(bars))
        closes = bars.pivot(index="date", columns="symbol", values="close")[list(names)]
        tilted = made["weights"]["weight"] * np.exp(closes.iloc[-1] / closes.iloc[0])
        return {**made, "weights": made["weights"].assign(weight=tilted / tilted.sum())}

    def provider(self, config: Any) -> Any:
        """Return the provider of the profile."""
        return open_provider(config.data)


class Sampling(PeekingAllocation):
    """Makes a provider itself, which no profile names, and knows when its prices end."""

    def provider(self, config: Any) -> Any:
        """Return the sample."""
        return SampleProvider(Section())


class Overrunning(FeaturesStage):
    """Reads one session more than it is given."""

    def run(self, inputs: Inputs, config: Any) -> Outputs:
        """Fail: there is none."""
        return {"features": inputs["prices"].close[:, len(inputs["prices"].sessions)]}


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Check:
    """Check the demo's settings on six years at four dates, with *stages* before, or instead of, the built-in ones."""

    def run(*stages: BasePipelineStage[Any], **sections: Any) -> Lookahead:
        planted = {stage.id: stage for stage in stages}
        joined = [name for name in planted if name not in SELECTION]
        names = (SELECTION[0], *joined, *SELECTION[1:])
        stages = tuple(planted.get(name) or StageRegistry.get(name) for name in names)
        monkeypatch.setattr(lookahead, "pipeline_of", lambda settings: stages)
        settings = {"data": {"start": date(2018, 1, 2)}, "validation": {"min_history": 504}, **sections}
        return check_lookahead(Profile(name="small", **settings), AS_OF, 4, 0, lambda line: None)

    return run


def places(found: Lookahead) -> set[tuple[str, str, str, str]]:
    """Stage, artifact, column and view of each difference."""
    return {(entry.stage, entry.artifact, entry.column, entry.view) for entry in found.differences}


def test_names_that_end_and_members_that_change_give_no_difference(check: Check, tmp_path: Path) -> None:
    """Who may be used at a probe follows from what was known then, also of names that are gone by the end."""
    days = pd.bdate_range("2018-01-02", AS_OF, name="date")
    random = np.random.default_rng(2)
    closes = pd.DataFrame(
        100 * np.exp(np.cumsum(random.normal(0.0003, 0.012, (len(days), 14)), axis=0)),
        index=days,
        columns=[f"N{number:02d}" for number in range(14)],
    )
    for number, stop in enumerate((700, 900, 1100)):
        closes.iloc[stop:, number] = np.nan
    closes.to_csv(tmp_path / "prices.csv")
    spans = [f"N{number:02d},2018-01-02,{'2021-03-31' if number == 5 else ''}" for number in range(14)]
    (tmp_path / "members.csv").write_text("\n".join(["symbol,from,to", *spans]))
    found = check(
        data={"provider": "files", "path": str(tmp_path / "prices.csv")},
        universe={"members": str(tmp_path / "members.csv")},
    )
    assert found.differences == ()
    counts = [probe.symbols for probe in found.probes]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 14
    assert counts[-1] == 10


def test_the_built_in_stages_do_not_look_ahead(check: Check) -> None:
    """Features to policy give the same bits on cut data as with all history at hand, and names win at each probe."""
    found = check()
    assert found.stages == ("features", "inference", "clustering", "policy", "synthesis", "allocation")
    assert found.differences == ()
    assert all(probe.winners and probe.held and not probe.ended for probe in found.probes)


def test_a_stage_that_looks_back_only_passes(check: Check) -> None:
    """A user's stage with a date axis and trailing windows gives no false alarm."""
    assert check(Joining()).differences == ()


def test_a_stage_that_peeks_one_day_ahead_is_caught(check: Check) -> None:
    """Stage, column, symbol and date are named: the probe itself is where the next day shows."""
    found = check(Shifted())
    assert [(entry.stage, entry.artifact, entry.view) for entry in found.differences] == [
        ("signals", "signals", "history")
    ] * 4
    for probe in found.probes:
        (entry,) = probe.differences
        assert (entry.date, entry.probe, entry.column, entry.cut) == (probe.date, probe.date, "AAPL", "nan")
        assert entry.columns == 20


def test_a_normalisation_over_the_whole_sample_is_caught(check: Check) -> None:
    """What is divided by a later mean differs from its first row on."""
    found = check(Normalised())
    assert len(found.differences) == 4
    assert {entry.date for entry in found.differences} == {"2018-01-02"}


def test_prices_from_the_future_are_caught(check: Check) -> None:
    """A stage that replaces the prices is compared session by session."""
    found = check(Replaced())
    assert places(found) == {("cleaning", "prices", "close", "history")}
    assert [entry.date for entry in found.differences] == [probe.date for probe in found.probes]


def test_a_stage_that_asks_the_provider_is_caught(check: Check) -> None:
    """A provider gives nothing after the date that is decided on: to ask for it is refused, and said."""
    found = check(Peeking())
    assert places(found) == {("features", "", "error", "cut")}
    assert all("history ends on" in entry.cut for entry in found.differences)


@pytest.mark.parametrize("stage", [PeekingAllocation, Sampling])
def test_an_allocation_that_fetches_next_month_is_caught(check: Check, stage: type[PeekingAllocation]) -> None:
    """The check goes up to the weights, and a provider that a stage makes itself keeps the horizon as well."""
    refused = stage is Sampling  # the other is told that history ends at the as-of, and weighs by that
    assert places(check(stage())) == ({("allocation", "", "error", "cut")} if refused else set())


def test_weights_that_depend_on_later_data_are_caught(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an allocation remembers of a later date shows in the weights."""
    seen: list[float] = [0.0]

    def remembering(self: AllocationStage, inputs: Inputs, config: Any) -> Outputs:
        made = dict(AllocationStage.run(self, inputs, config))
        seen[0] = max(seen[0], float(np.nanmax(inputs["prices"].close)))
        weights = made["weights"]
        return {**made, "weights": weights.assign(weight=weights["weight"] / seen[0])}

    remembers = type("Remembers", (AllocationStage,), {"run": remembering})
    assert {entry.stage for entry in check(remembers()).differences} == {"allocation"}


def test_a_stage_that_needs_what_is_held_is_checked_too(check: Check) -> None:
    """At each probe a stage is given a book; the stage that takes it from a real one is not run."""

    class Holds(AllocationStage):
        needs = ("prices", "atoms", "incumbent")

    found = check(StageRegistry.get("incumbent"), Holds())
    assert found.differences == ()
    assert all(probe.held for probe in found.probes)


def test_a_scorer_that_remembers_later_data_is_caught(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scale that was fitted on the whole sample once differs from one that was not yet."""
    largest = [0.0]

    def remembering(values: Any, weights: Any, maps: Any) -> Any:
        largest[0] = max(largest[0], float(np.abs(values).max()))
        return -np.abs(values) / largest[0]

    monkeypatch.setitem(SCORERS, "remembering", remembering)
    weights = {"volatility": 1.0, "momentum": 1.0}
    found = check(scores={"scorer": "remembering", "weights": weights})
    assert {entry.stage for entry in found.differences} == {"inference"}


def test_a_broken_stage_is_an_error_and_no_difference(check: Check) -> None:
    """A stage that fails on any data is named, with what it raised."""
    with pytest.raises(StageError, match=r"'features' fails on data up to .*IndexError"):
        check(Overrunning())


def test_nobody_wins_is_an_outcome(check: Check) -> None:
    """A date on which the policy finds nobody is compared like any other, and says so."""
    found = check(policy={"max_volatility": 0.001})
    assert found.differences == ()
    assert {probe.winners for probe in found.probes} == {None}
    assert all("passes the policy" in probe.ended for probe in found.probes)


def test_probes_are_drawn_evenly_and_by_seed() -> None:
    """One probe per equal stretch, each with enough history before it and a session after it."""
    found = probe_positions(1000, 400, 10, seed=3)
    assert found == probe_positions(1000, 400, 10, seed=3) != probe_positions(1000, 400, 10, seed=4)
    assert [(position - 399) // 60 for position in found] == list(range(10))
    assert probe_positions(403, 400, 10, seed=0) == [399, 400, 401]
    with pytest.raises(DataError, match="none of them has 400"):
        probe_positions(400, 400, 1, seed=0)


def test_a_provider_ends_where_history_does() -> None:
    """Inside ``history_ends`` no provider gives a later bar, also one that was opened before; inside two, the first."""
    provider, end = open_provider(Profile(name="x").data), date(2020, 5, 3)
    with history_ends(end), history_ends(AS_OF):
        assert provider.last_date() == end
        assert provider.bars(("AAPL",), date(2020, 1, 1), end)["date"].max() == pd.Timestamp("2020-05-01")
        for one in (provider, opened := open_provider(Profile(name="x").data), SampleProvider(Section())):
            with pytest.raises(LookAheadError, match="bars up to 2022-12-28, and history ends on 2020-05-03"):
                one.bars(("AAPL",), date(2020, 1, 1), AS_OF)
        with ThreadPoolExecutor(1) as pool, pytest.raises(LookAheadError):
            pool.submit(SampleProvider(Section()).bars, ("AAPL",), None, AS_OF).result()
    assert provider.last_date() == AS_OF
    with pytest.raises(LookAheadError):
        opened.bars(("AAPL",), date(2020, 1, 1), AS_OF)


def test_every_stage_of_a_run_keeps_the_horizon(tmp_path: Path) -> None:
    """In a run itself, and at each rebalance of its walk-forward, a stage cannot ask for what comes after."""
    chain = tuple(Sampling() if name == "allocation" else StageRegistry.get(name) for name in SELECTION[:-1])
    settings = {"data": {"start": date(2018, 1, 2)}, "validation": {"min_history": 504}}
    values = {**Profile(name="small", **settings).settings(), "as_of": "2021-06-30"}
    context = SelectionContext("x", "small", date(2021, 6, 30), values, str(tmp_path))
    for stage in chain[:6]:
        context = stage.execute(context)
    with pytest.raises(LookAheadError, match="history ends on 2021-06-30"):
        chain[6].execute(context)
    with pytest.raises(LookAheadError, match="history ends on 2020-01-31"):
        ValidationStage(chain[1:7]).execute(context)
