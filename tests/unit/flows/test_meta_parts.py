"""Parts of the meta flow: what is refused, what is waited for, and what is said of a sleeve that failed."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.exceptions import Abort
from pytest_mock import MockerFixture

from quantflow.config.load import load_meta
from quantflow.errors import StageError
from quantflow.flows import meta as ours
from quantflow.runs.create import create_run
from quantflow.runs.header import SleeveFailure
from quantflow.runs.kinds import Sleeve
from quantflow.runs.record import RunRecord, now
from quantflow.runs.run import Run


@pytest.fixture
def record(tmp_path: Path) -> Run:
    """A meta run of four sleeves, none of which has run."""
    return create_run(load_meta("demo_meta", workspace=tmp_path), tmp_path, date(2022, 12, 28), "m")


def failure(sleeve: str) -> SleeveFailure:
    return SleeveFailure(sleeve, f"m.{sleeve}", "policy", "no winners", "log.txt")


def test_nothing_is_refused_where_nothing_failed(record: Run) -> None:
    """The portfolio is made of all sleeves."""
    ours.refuse_partial(record, [])


def test_every_failure_is_listed_with_the_command_that_goes_on(record: Run) -> None:
    """By default none may fail; a sleeve that failed between stages has no stage."""
    between = SleeveFailure("demo_low_vol", "m.demo_low_vol", "", "its worker process died", "log.txt")
    with pytest.raises(ours.SleevesFailedError) as raised:
        ours.refuse_partial(record, [failure("demo"), between])
    assert "2 of 4 sleeves failed" in raised.value.message
    assert "demo: policy: no winners" in raised.value.message
    assert "demo_low_vol: worker: its worker process died" in raised.value.message
    assert "quantflow resume m" in str(raised.value.hint)
    assert raised.value.exit_code == 20


@pytest.mark.parametrize(("least", "refused"), [(3, False), (4, True)])
def test_as_many_as_the_profile_allows_may_fail(least: int, refused: bool, record: Run) -> None:
    """A nested portfolio counts as one, however many of its own sleeves failed."""
    settings = {**record.header.settings, "allow_partial": True, "min_sleeves": least}
    record.update(settings=settings)
    failures = [failure("demo/inner"), failure("demo/other")]
    if not refused:
        ours.refuse_partial(record, failures)
        return
    with pytest.raises(ours.SleevesFailedError, match="min_sleeves is 4"):
        ours.refuse_partial(record, failures)


def leaf(record: Run) -> Sleeve:
    return record.leaves()[0]


class Ended:
    """Stands for the future of a sleeve whose task has ended."""

    def __init__(self, message: str = "", error: Exception | None = None) -> None:
        self.state, self.error = SimpleNamespace(message=message, name="Failed"), error
        self.wrapped_future: Future[None] = Future()
        self.wrapped_future.set_result(None)

    def wait(self) -> None:
        """Wait, or raise what broke."""
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("future", "said"),
    [
        (Ended("\x1b[36mray::sleeve\x1b[39m\nValueError: no such table"), "ValueError: no such table"),
        (Ended(), "Failed"),
        (Ended(error=BrokenProcessPool("x")), "its worker process died"),
    ],
)
def test_a_sleeve_without_result_says_why(future: Ended, said: str, record: Run) -> None:
    """In the last line of what its worker said, where its own record knows nothing."""
    found = ours._failure(leaf(record), future)  # type: ignore[arg-type]
    assert found is not None
    assert (found.sleeve, found.stage, found.message) == ("demo", "", said)


def test_what_counts_is_the_record(record: Run, mocker: MockerFixture) -> None:
    """Whatever a worker said last: a sleeve that is complete has not failed."""
    mocker.patch.object(Run, "state", "completed")
    assert ours._failure(leaf(record), Ended(error=BrokenProcessPool("x"))) is None  # type: ignore[arg-type]


def test_a_sleeve_is_over_that_has_ended_since(record: Run) -> None:
    """Its own record tells; an end in a former execution is none of this one."""
    began = now()
    assert not ours._is_over(leaf(record), began)
    RunRecord(record.workspace, leaf(record).link.run_id).event("run.failed", message="of now")
    assert ours._is_over(leaf(record), began)
    assert not ours._is_over(leaf(record), "2100-01-01T00:00:00.000+00:00")


@pytest.mark.parametrize("error", [Abort("the API says so"), SystemExit(3), ValueError("no")])
def test_whatever_ends_a_sleeve_comes_back_as_an_error(
    error: BaseException, record: Run, mocker: MockerFixture
) -> None:
    """What is not an Exception would end the pool's own thread, and with it all news of all workers."""
    mocker.patch.object(ours, "selection_flow", side_effect=error)
    with pytest.raises(StageError, match=type(error).__name__):
        ours.run_sleeve_task.fn(leaf(record))
