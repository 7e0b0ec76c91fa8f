"""The selection flow on a real API server: order, retries, caching, recovery."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.testing.utilities import prefect_test_harness

from processes import SMALL
from quantflow.config.load import load_profile
from quantflow.errors import DataError, DataUnavailableError, QuantflowError, StageError
from quantflow.flows.adapter import task_options
from quantflow.flows.launch import execute
from quantflow.flows.run import run_selection_flow
from quantflow.flows.states import TaskState
from quantflow.flows.watch import asking, fetch
from quantflow.pipeline.registry import SELECTION, StageRegistry
from quantflow.pipeline.stage import Kind
from quantflow.runs.create import create_run
from quantflow.runs.kinds import open_run
from quantflow.runs.layout import Layout
from quantflow.runs.run import Run
from quantflow.server.server import ApiServer

pytestmark = pytest.mark.usefixtures("server")


def start(workspace: Path, run_id: str, server: ApiServer, profile: str = "demo") -> Run:
    record = open_run(workspace, run_id)
    if not record.exists:
        loaded = load_profile(profile, workspace=workspace, overrides=SMALL)
        from datetime import date

        record = create_run(loaded, workspace, date(2022, 12, 28), run_id)
    return execute(record, server)


def tasks_of(run: Run) -> list[TaskState]:
    record = run.again()
    with asking() as client:
        return sorted(fetch(record.tag(len(record.header.flow_runs)), client), key=lambda task: task.at)


def digests(run: Run) -> dict[str, str]:
    found = {name: ref.sha256 for stage in run.stages.values() if stage for name, ref in stage.outputs.items()}
    found.pop("report", None)  # it names the run
    found.pop("brief", None)
    found["weights.csv"] = hashlib.sha256((run.folder / "weights.csv").read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, server: ApiServer) -> Run:
    """A whole run that nothing disturbed, in a workspace of its own."""
    return start(tmp_path_factory.mktemp("undisturbed"), "undisturbed", server)


def test_each_stage_is_one_task_in_topological_order(undisturbed: Run) -> None:
    """A stage's task starts only after the tasks that make what it needs, and every stage has exactly one."""
    names = [task.name for task in tasks_of(undisturbed) if task.name in SELECTION]
    assert sorted(names) == sorted(SELECTION)
    made: set[str] = {"run"}
    for name in names:
        stage = StageRegistry.get(name)
        assert set(stage.needs) <= made
        made |= set(stage.makes)


def test_relaxation_levels_are_seen_as_task_runs(undisturbed: Run) -> None:
    """The policy's loop is visible in the API, a task run per level."""
    assert "policy level 1" in {task.name for task in tasks_of(undisturbed)}


def test_every_task_ends_completed_in_the_api(undisturbed: Run) -> None:
    """When a run has ended, the API has the final state of each of its tasks."""
    assert {task.kind for task in tasks_of(undisturbed)} == {"COMPLETED"}
    assert undisturbed.state == "completed"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Make a stage fail a number of times, then work; returns the list that counts its calls."""

    def plant(stage_id: str, times: int, error: Exception) -> list[int]:
        stage, calls = type(StageRegistry.get(stage_id)), []
        real = stage.run

        def run(self: Any, inputs: Any, config: Any) -> Any:
            calls.append(1)
            if len(calls) <= times:
                raise error
            return real(self, inputs, config)

        monkeypatch.setattr(stage, "run", run)
        return calls

    return plant


@pytest.fixture
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries wait no time; everything else about them is real."""
    monkeypatch.setattr("prefect.task_engine.time.sleep", lambda seconds: None)


@pytest.mark.usefixtures("_no_sleep")
@pytest.mark.parametrize("stage_id", ["ingestion", "synthesis"])
def test_a_network_failure_heals(stage_id: str, workspace: Path, server: ApiServer, failing: Any) -> None:
    """A transient error of a network stage is tried again, and the run ends as if it had not been."""
    calls = failing(stage_id, 2, DataUnavailableError("the exchange is busy"))
    run = start(workspace, "heals", server)
    assert run.state == "completed"
    assert len(calls) == 3
    assert run.stages[stage_id].attempt == 3
    assert {t.name: t.attempt for t in tasks_of(run)}[stage_id] == 3


@pytest.mark.usefixtures("_no_sleep")
def test_a_network_stage_gives_up_after_three_retries(workspace: Path, server: ApiServer, failing: Any) -> None:
    """A network stage is tried four times in all; then the run fails and says so."""
    calls = failing("ingestion", 99, DataUnavailableError("the exchange is busy"))
    with pytest.raises(DataUnavailableError):
        start(workspace, "gives-up", server)
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("stage_id", "error"), [("ingestion", DataError("no such exchange")), ("features", StageError("no"))]
)
def test_what_a_retry_cannot_mend_is_not_retried(
    stage_id: str, error: QuantflowError, workspace: Path, server: ApiServer, failing: Any
) -> None:
    """A permanent error, and any error of a compute stage, fails at once."""
    calls = failing(stage_id, 99, error)
    with pytest.raises(type(error)):
        start(workspace, "at-once", server)
    assert len(calls) == 1


def test_a_second_run_finds_every_compute_stage_cached(workspace: Path, server: ApiServer) -> None:
    """Another run id on the same data computes nothing twice, and fetches again."""
    first, second = start(workspace, "first", server), start(workspace, "second", server)
    for name in SELECTION:
        expected = StageRegistry.get(name).kind is Kind.COMPUTE
        assert second.stages[name].cached is expected, name
    assert {t.name: t.state for t in tasks_of(second)}["validation"] == "Cached"
    assert digests(first) == digests(second)


@pytest.mark.parametrize("stage_id", SELECTION)
def test_a_failed_run_resumes_to_the_same_bytes(
    stage_id: str, workspace: Path, server: ApiServer, failing: Any, undisturbed: Run
) -> None:
    """After a failure in any stage, resume repeats no finished stage and ends in an undisturbed run's bytes."""
    failing(stage_id, 1, StageError("injected"))
    with pytest.raises(StageError, match="injected"):
        start(workspace, "resumed", server)
    broken = open_run(workspace, "resumed")
    before = SELECTION[: SELECTION.index(stage_id)]
    assert broken.state == "failed"
    assert broken.done == before
    assert broken.failed is not None
    assert broken.failed.stage == stage_id
    resumed = start(workspace, "resumed", server)
    assert resumed.state == "completed"
    assert {t.name: t.state for t in tasks_of(resumed) if t.name in before} == dict.fromkeys(before, "Cached")
    assert digests(resumed) == digests(undisturbed)


def test_options_follow_from_the_kind_alone(workspace: Path) -> None:
    """Network stages retry three times with backoff and jitter; compute stages are cached; control stages neither."""
    options = {kind: task_options(kind, Layout.of(workspace)) for kind in Kind}
    assert options[Kind.NETWORK]["retries"] == 3
    assert options[Kind.NETWORK]["retry_jitter_factor"] > 0
    delays = options[Kind.NETWORK]["retry_delay_seconds"](3)
    assert list(delays) == sorted(set(delays))
    assert options[Kind.COMPUTE]["retries"] == options[Kind.CONTROL]["retries"] == 0
    assert options[Kind.COMPUTE]["persist_result"]
    assert not options[Kind.CONTROL]["persist_result"]


def test_the_public_entry_point_runs_and_continues(workspace: Path) -> None:
    """``run_selection_flow(profile, run_id)`` starts a run, and called again finds it complete."""
    first = run_selection_flow("demo", "by-name", workspace=workspace, overrides=SMALL)
    again = run_selection_flow("demo", "by-name", workspace=workspace)
    assert first.state == again.state == "completed"
    assert digests(first) == digests(again)


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Prefect's own test harness, in place of the session's server."""
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        monkeypatch.delenv(name)
    with prefect_test_harness():
        yield


@pytest.mark.usefixtures("harness")
def test_flows_run_under_prefects_own_harness(workspace: Path) -> None:
    """A user's tests can run the flow under ``prefect_test_harness``."""
    run = run_selection_flow("demo", "harness", workspace=workspace, overrides=SMALL)
    assert run.state == "completed"
