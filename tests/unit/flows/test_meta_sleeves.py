"""Sleeves in parallel, and nested portfolios after them: what is submitted, waited for, cancelled and reported."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture

from quantflow.config.load import load_meta
from quantflow.errors import DataError, Interrupted
from quantflow.flows import meta as ours
from quantflow.flows import scatter
from quantflow.runs.create import create_run
from quantflow.runs.kinds import Sleeve
from quantflow.runs.run import Run
from recorded import AS_OF, written

NESTED = """
[meta.inner]
sleeves = [{ profile = "demo" }, { profile = "demo_steady" }]
[meta.outer]
sleeves = [{ profile = "demo_momentum" }, { meta = "inner" }]
"""


@pytest.fixture
def portfolio(tmp_path: Path) -> Run:
    """A meta run of four sleeves, none of which has run."""
    return create_run(load_meta("demo_meta", workspace=tmp_path), tmp_path, AS_OF, "m")


@pytest.fixture
def nested(tmp_path: Path) -> Run:
    """A meta run of a sleeve and of a portfolio of two."""
    (tmp_path / "quantflow.toml").write_text(NESTED)
    return create_run(load_meta("outer", workspace=tmp_path), tmp_path, AS_OF, "n")


class Pool:
    """Stands for a task runner: each submitted sleeve ends as *ends* says, and is noted."""

    def __init__(self, mocker: MockerFixture, **ends: str) -> None:
        self.ends, self.names, self.futures = ends, list[str](), dict[str, Future[Any]]()
        self.job = mocker.patch.object(ours, "run_sleeve_task")
        self.job.with_options.side_effect = self.named

    def named(self, *, task_run_name: str) -> SimpleNamespace:
        """Return a task of that name."""
        self.names.append(task_run_name)
        return SimpleNamespace(submit=self.submit)

    def submit(self, leaf: Sleeve) -> SimpleNamespace:
        """Run the sleeve at once: it completes, fails, or stays at work."""
        end, inner = self.ends.get(leaf.name, "completes"), Future[Any]()
        self.futures[leaf.name] = inner
        if end == "completes":
            written(leaf.run, {}, {"KO": 1.0})
        if end != "stays":
            inner.set_result(None)
        state = SimpleNamespace(message=end, name="Failed")
        return SimpleNamespace(wrapped_future=inner, state=state, wait=lambda: None)


def test_each_sleeve_is_a_task_of_its_own(portfolio: Run, mocker: MockerFixture) -> None:
    """Named for people, in the order of the profile; none failed."""
    pool = Pool(mocker)
    assert ours.scatter(portfolio, portfolio.leaves()) == []
    assert pool.names == ["sleeve demo", "sleeve demo_momentum", "sleeve demo_low_vol", "sleeve demo_steady"]
    assert portfolio.due() == []


def test_one_that_fails_does_not_keep_the_others_from_running(portfolio: Run, mocker: MockerFixture) -> None:
    """All end before it is reported, with what its worker said last."""
    Pool(mocker, demo="ValueError: no such table")
    (failure,) = ours.scatter(portfolio, portfolio.leaves())
    assert (failure.sleeve, failure.message) == ("demo", "ValueError: no such table")
    assert [leaf.name for leaf in portfolio.due()] == ["demo"]


def test_only_what_is_not_complete_is_submitted(portfolio: Run, mocker: MockerFixture) -> None:
    """A resume runs the rest."""
    written(portfolio.sleeves[1].run, {}, {"KO": 1.0})
    pool = Pool(mocker)
    mocker.patch.object(ours, "at_flow", return_value=nullcontext(portfolio))
    mocker.patch.object(ours, "run_stages")
    mocker.patch.object(ours, "refuse_foreign_results")
    ours.meta_flow.fn("demo_meta", "m")
    assert pool.names == ["sleeve demo", "sleeve demo_low_vol", "sleeve demo_steady"]


def test_a_signal_cancels_what_is_at_work(portfolio: Run, mocker: MockerFixture) -> None:
    """And goes on up: no sleeve runs on without its portfolio."""
    pool = Pool(mocker, demo_steady="stays")
    mocker.patch.object(scatter.time, "sleep", side_effect=Interrupted(15))
    with pytest.raises(Interrupted):
        ours.scatter(portfolio, portfolio.leaves())
    assert pool.futures["demo_steady"].cancelled()


def test_workers_are_stopped_and_their_code_compared_whatever_came(portfolio: Run, mocker: MockerFixture) -> None:
    """Stopped after a failure too; what they made is believed only if this code made it."""
    stopped = mocker.patch.object(ours, "stop_workers")
    compared = mocker.patch.object(ours, "refuse_foreign_results")
    mocker.patch.object(ours, "scatter", return_value=[])
    due = portfolio.leaves()
    assert ours._scattered(portfolio, due) == []
    compared.assert_called_once_with(due)
    mocker.patch.object(ours, "scatter", side_effect=Interrupted(15))
    with pytest.raises(Interrupted):
        ours._scattered(portfolio, due)
    assert (stopped.call_count, compared.call_count) == (2, 1)


@pytest.fixture
def worked_on(mocker: MockerFixture) -> list[str]:
    """The runs that were owned and logged, in order."""
    seen: list[str] = []

    @contextmanager
    def working_on(run: Run) -> Iterator[None]:
        seen.append(run.id)
        yield

    mocker.patch.object(ours, "working_on", working_on)
    return seen


def test_leaves_of_nested_portfolios_are_sleeves_like_any(nested: Run, mocker: MockerFixture) -> None:
    """All run at once, whatever portfolio they are of."""
    pool = Pool(mocker)
    ours.scatter(nested, nested.leaves())
    assert pool.names == ["sleeve demo_momentum", "sleeve inner/demo", "sleeve inner/demo_steady"]


def test_a_nested_portfolio_is_finished_after_its_sleeves(
    nested: Run, worked_on: list[str], mocker: MockerFixture
) -> None:
    """As a flow of its own, which runs no sleeve again."""
    flow = mocker.patch.object(ours, "meta_flow")
    assert ours._nested(nested) == []
    (inner,) = worked_on
    flow.assert_called_once_with("inner", inner, str(nested.workspace), run_sleeves=False)


def test_a_nested_portfolio_that_is_complete_is_left_alone(
    nested: Run, worked_on: list[str], mocker: MockerFixture
) -> None:
    """On a resume."""
    flow = mocker.patch.object(ours, "meta_flow")
    written(nested.sleeves[1].run, {}, {"KO": 1.0})
    assert ours._nested(nested) == []
    assert worked_on == []
    assert flow.call_count == 0


@pytest.mark.usefixtures("worked_on")
def test_a_nested_portfolio_that_fails_is_a_sleeve_that_failed(nested: Run, mocker: MockerFixture) -> None:
    """The outer one goes on without it, if its profile allows that."""
    mocker.patch.object(ours, "meta_flow", side_effect=DataError("no common sessions"))
    (failure,) = ours._nested(nested)
    assert (failure.sleeve, failure.message) == ("inner", "no common sessions")
