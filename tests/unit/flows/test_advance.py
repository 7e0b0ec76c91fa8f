"""One stage as its task: what is recorded of it, however it ends. Prefect's task is stood for by its final state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest
from prefect.states import Completed, Crashed, State
from pytest_mock import MockerFixture

from quantflow.errors import DataUnavailableError, InfrastructureError, StageError
from quantflow.flows import selection as ours
from quantflow.flows.adapter import StageCall
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, SelectionContext, StageConfig
from quantflow.runs.record import StageRecord
from quantflow.runs.run import Run
from recorded import created

WEIGHTS = pd.DataFrame({"weight": [0.6, 0.4]}, index=pd.Index(["KO", "PEP"], name="symbol"))
SUMMARY = {"entered": 3, "left": 2, "note": "two names", "degraded": False}


class Weigh(BasePipelineStage[StageConfig]):
    """A stage that is never run here: its task's state says what it made."""

    id: ClassVar[str] = "weigh"
    kind: ClassVar[Kind] = Kind.COMPUTE
    needs: ClassVar[tuple[str, ...]] = ()
    makes: ClassVar[tuple[str, ...]] = ("weights",)

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Fail: a task was to stand for it."""
        raise AssertionError


class WeighForPeople(Weigh):
    """The same, with the facts of the run."""

    kind: ClassVar[Kind] = Kind.CONTROL
    needs: ClassVar[tuple[str, ...]] = ("run",)


Task = Callable[[StageCall], "State[Any]"]


class Tasks:
    """Stands for Prefect: each task ends in the state that *state* gives for its call."""

    def __init__(self, mocker: MockerFixture, state: Task) -> None:
        self.state, self.calls, self.refreshed = state, list[StageCall](), list[bool]()
        mocker.patch.object(ours, "stage_task", side_effect=self.made)

    def made(self, stage: Weigh, layout: object, *, refresh: bool) -> Callable[..., State[Any]]:
        """Return what is called in the task's place."""
        self.refreshed.append(refresh)
        return self.called

    def called(self, call: Any, *, return_state: bool) -> State[Any]:
        """End in the state."""
        assert return_state
        self.calls.append(call.unquote())
        return self.state(self.calls[-1])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of one stage."""
    return created(tmp_path, stages=("weigh",), settings={})


def made(run: Run) -> dict[str, Any]:
    """What the stage's task returns once it has stored its artifact."""
    return {"outputs": {"weights": run.store.put("weights", WEIGHTS).json()}, "summary": SUMMARY}


def advance(run: Run, stage: Weigh | None = None, forced: tuple[str, ...] = ()) -> SelectionContext:
    return ours.advance(stage or Weigh(), run.context(), run, run.planner(forced))


def recorded(run: Run) -> StageRecord:
    found = run.stage("weigh")
    assert found is not None
    return found


def test_a_stage_that_is_done_is_recorded_with_all_that_is_known(run: Run, mocker: MockerFixture) -> None:
    """Outputs, summary, times, memory, key and the code that made it; the context has its refs."""
    Tasks(mocker, lambda call: Completed(data=made(run)))
    context = advance(run)
    found = recorded(run)
    assert (found.state, found.cached, found.attempt) == ("done", False, 1)
    assert context.load("weights").equals(WEIGHTS)
    assert found.outputs["weights"] == context.artifacts["weights"]
    assert vars(found.summary) == SUMMARY
    assert found.seconds is not None
    assert found.max_rss_mb is not None
    assert found.started <= str(found.ended)
    assert found.made_by.startswith("0.")
    assert found.key.startswith("weigh-")


def test_its_files_for_people_come_before_its_record(run: Run, mocker: MockerFixture) -> None:
    """A run is complete once its last stage is: by then ``weights.csv`` must be there."""
    Tasks(mocker, lambda call: Completed(data=made(run)))
    there: list[tuple[str, bool]] = []
    write = type(run).write_stage

    def look(self: Run, record: StageRecord) -> None:
        there.append((record.state, (run.folder / "weights.csv").exists()))
        write(self, record)

    mocker.patch.object(type(run), "write_stage", look)
    advance(run)
    assert there == [("running", False), ("done", True)]


def test_it_is_running_while_its_task_runs(run: Run, mocker: MockerFixture) -> None:
    """Whoever looks at the folder meanwhile sees it, with its key."""
    seen: list[StageRecord] = []

    def look(call: StageCall) -> State[Any]:
        seen.append(recorded(run))
        assert seen[0].key == call.key
        return Completed(data=made(run))

    Tasks(mocker, look)
    advance(run)
    assert [(each.state, each.ended) for each in seen] == [("running", None)]


def test_a_result_of_the_cache_is_marked(run: Run, mocker: MockerFixture) -> None:
    """Prefect calls its state Cached."""
    Tasks(mocker, lambda call: Completed(name="Cached", data=made(run)))
    advance(run)
    assert recorded(run).cached
    assert run.again().stage_state("weigh") == "cached"


def test_a_complete_stages_result_is_in_the_cache_before_its_task_looks(run: Run, mocker: MockerFixture) -> None:
    """After a resume in which another run's garbage collection took the cached record."""
    Tasks(mocker, lambda call: Completed(data=made(run)))
    advance(run)
    run = run.again()
    results: list[Mapping[str, Any] | None] = []

    def look(call: StageCall) -> State[Any]:
        results.append(run.planner().cache.lookup(call.key))
        return Completed(name="Cached", data=made(run))

    Tasks(mocker, look)
    advance(run)
    assert results[0] is not None
    assert results[0]["outputs"] == made(run)["outputs"]


@pytest.mark.parametrize("forced", [(), ("weigh",)])
def test_a_forced_stage_refreshes_the_cache(forced: tuple[str, ...], run: Run, mocker: MockerFixture) -> None:
    """``resume --from``."""
    tasks = Tasks(mocker, lambda call: Completed(data=made(run)))
    advance(run, forced=forced)
    assert tasks.refreshed == [bool(forced)]


def fails(error: Exception) -> Task:
    """A task that ends with *error* in its state, as a stage's own do."""

    class Failing:
        name = "Failed"
        message = str(error)

        @staticmethod
        def is_crashed() -> bool:
            return False

        @staticmethod
        def result() -> Any:
            raise error

    return lambda call: Failing()  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("error", "kind", "message", "code"),
    [
        (StageError("no winners", hint="relax"), "StageError", "no winners", 20),
        (DataUnavailableError("HTTP 503"), "DataUnavailableError", "HTTP 503", 21),
        (KeyError("close"), "KeyError", "KeyError: 'close'", 20),
        (OSError(28, "No space left on device"), "OSError", "No space left on device", 30),
    ],
)
def test_a_stage_that_fails_is_recorded_and_its_error_goes_on(
    error: Exception, kind: str, message: str, code: int, run: Run, mocker: MockerFixture
) -> None:
    """As it was raised; the record has words, exit code and traceback of any kind of error."""
    Tasks(mocker, fails(error))
    with pytest.raises(type(error)) as raised:
        advance(run)
    assert raised.value is error
    found = recorded(run)
    assert found.state == "failed"
    assert found.error is not None
    assert (found.error["type"], found.error["exit_code"]) == (kind, code)
    assert message in found.error["message"]
    assert found.error["hint"] == (getattr(error, "hint", None) if code != 30 else found.error["hint"])
    assert kind in found.error["traceback"]
    assert found.outputs == {}


def test_the_number_of_the_last_attempt_is_recorded(run: Run, mocker: MockerFixture) -> None:
    """The task notes each attempt among the run's events."""

    def third(call: StageCall) -> State[Any]:
        for number in (1, 2, 3):
            run.event("stage.attempt", stage="weigh", attempt=number)
        return Completed(data=made(run))

    Tasks(mocker, third)
    advance(run)
    assert recorded(run).attempt == 3


def test_a_signal_is_no_failure_of_the_stage(run: Run, mocker: MockerFixture) -> None:
    """Foreign code may make any error of it: the stage stays as running, and is taken up again."""
    Tasks(mocker, fails(ValueError("interrupted system call")))
    mocker.patch("quantflow.runs.stopping.received", return_value=15)
    with pytest.raises(ValueError, match="interrupted"):
        advance(run)
    assert recorded(run).state == "running"


def raises(call: StageCall) -> State[Any]:
    """A task of which Prefect itself raises."""
    raise RuntimeError("the server returned 503")


@pytest.mark.parametrize("state", [raises, lambda call: Crashed(message="lost the API")])
def test_what_prefect_raises_is_the_servers(state: Task, run: Run, mocker: MockerFixture) -> None:
    """Not the stage's fault, which may be run again: the run ends with what to do about the server."""
    Tasks(mocker, state)
    with pytest.raises(InfrastructureError, match="does not answer"):
        advance(run)
    assert recorded(run).state == "running"


def test_a_stage_for_people_gets_the_facts_of_the_run(run: Run, mocker: MockerFixture) -> None:
    """Those of now; others get none, since facts are no part of a key."""
    tasks = Tasks(mocker, lambda call: Completed(data=made(run)))
    mocker.patch.object(ours, "facts_of", return_value={"run_id": run.id})
    advance(run, WeighForPeople())
    advance(run)
    assert [dict(call.context.facts) for call in tasks.calls] == [{"run_id": run.id}, {}]


def test_the_call_has_the_run_and_all_that_was_made_before(run: Run, mocker: MockerFixture) -> None:
    """A worker needs nothing else."""
    tasks = Tasks(mocker, lambda call: Completed(data=made(run)))
    before = {"prices": run.store.put("prices", WEIGHTS)}
    ours.advance(Weigh(), replace(run.context(), artifacts=before), run, run.planner())
    (call,) = tasks.calls
    assert (call.folder, call.context.run_id, dict(call.context.artifacts)) == (run.workspace, run.id, before)
