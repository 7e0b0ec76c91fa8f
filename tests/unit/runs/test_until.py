"""Runs of part of the stages."""

from __future__ import annotations

from datetime import date

import pytest

from processes import SMALL
from quantflow.config.load import load_profile
from quantflow.desk.publish import publish
from quantflow.errors import ConfigError
from quantflow.ops.sessions import nights_of
from quantflow.review.compare import previous
from quantflow.runs.book import books
from quantflow.runs.create import create_run, plan_new
from quantflow.runs.done import find_done
from quantflow.runs.header import RunOptions
from quantflow.runs.research.counted import walked
from quantflow.runs.run import Run
from ran import executed, ran

AS_OF = date(2022, 12, 28)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run up to the weights, after a complete one."""
    home = tmp_path_factory.mktemp("home")
    ran(home)
    loaded = load_profile("demo", workspace=home, overrides=SMALL)
    return executed(create_run(loaded, home, AS_OF, "part", RunOptions(until="allocation")))


def test_it_ends_with_the_weights_of_the_whole_run(run: Run) -> None:
    """The weights are those of the complete run; there is no walk-forward, and the run is complete."""
    whole = previous(run)
    assert run.weights == whole.weights
    assert (run.header.stages[-1], run.state, "metrics" in run.outputs) == ("allocation", "completed", False)


def test_it_is_never_published(run: Run) -> None:
    """What was not walked forward becomes no book, whatever is asked."""
    assert publish(run) is None
    assert "demo" not in books(run.workspace)


def test_it_stands_for_no_complete_run(run: Run) -> None:
    """It is no night's work, no trial, and makes no complete run unnecessary."""
    loaded = load_profile("demo", workspace=run.workspace, overrides=SMALL)
    found = find_done(loaded, run.workspace, AS_OF)
    assert found is None or found.id != run.id
    assert run.id not in [each.id for each in walked(run.workspace)]
    (nights,) = nights_of(run.workspace, 5, ["demo"])
    assert run.id not in [night.run_id for night in nights.nights]


def test_it_can_be_resumed(run: Run) -> None:
    """A resume plans the stages that were asked for, and no others."""
    assert [line.stage for line in run.plan()] == list(run.header.stages)


def test_a_plan_ends_there_too(run: Run) -> None:
    """`--dry-run` shows what would be run; a stage that there is not is refused, and named."""
    loaded = load_profile("demo", workspace=run.workspace, overrides=SMALL)
    assert [line.stage for line in plan_new(loaded, run.workspace, AS_OF, RunOptions(until="features"))] == [
        "ingestion",
        "features",
    ]
    with pytest.raises(ConfigError, match="No stage named 'weights'"):
        plan_new(loaded, run.workspace, AS_OF, RunOptions(until="weights"))
