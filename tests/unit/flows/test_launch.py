"""The frame of a run: what is written down at its end, what is waited for, and what a lost server becomes."""

from __future__ import annotations

import signal
from contextlib import nullcontext
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pytest_mock import MockerFixture

from quantflow.config.load import load_meta, load_profile
from quantflow.errors import InfrastructureError, Interrupted, StageError
from quantflow.flows import launch as ours
from quantflow.flows.states import TaskState
from quantflow.runs.create import create_run
from quantflow.runs.record import RunRecord, StageRecord, now
from quantflow.runs.run import Run
from quantflow.server.server import ApiServer

SERVER = ApiServer("http://127.0.0.1:9/api", embedded=True, environment={"PREFECT_API_URL": "x"}, credential="a:b")
BEFORE, AFTER = "2000-01-01T00:00:00.000+00:00", "2100-01-01T00:00:00.000+00:00"


@pytest.fixture
def record(tmp_path: Path) -> Run:
    """A run that has just been created."""
    return create_run(load_profile("demo", workspace=tmp_path), tmp_path, date(2022, 12, 28), "r")


def names(record: Run) -> list[str]:
    return [event["event"] for event in record.events()]


def test_a_run_that_ends_well_says_so(record: Run) -> None:
    """From its start to its end."""
    with ours._recorded(record, SERVER):
        pass
    assert names(record)[-2:] == ["run.started", "run.completed"]


def test_an_error_is_written_down_and_goes_on(record: Run) -> None:
    """With its words and its hint."""
    with pytest.raises(StageError), ours._recorded(record, SERVER):
        raise StageError("no such table", hint="make one")
    assert record.events()[-1]["message"] == "no such table"
    assert names(record)[-1] == "run.failed"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a library made this of the signal")])
def test_a_signal_is_an_interruption_whatever_it_became(
    error: BaseException, record: Run, mocker: MockerFixture
) -> None:
    """Foreign code makes errors of signals; a server that cannot be reached is not told."""
    mocker.patch.object(ours.stopping, "received", return_value=signal.SIGTERM)
    with pytest.raises(Interrupted) as raised, ours._recorded(record, SERVER):
        raise error
    assert raised.value.exit_code == 143
    assert names(record)[-1] == "run.interrupted"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.ConnectError("refused"), "The API server does not answer: refused"),
        (RuntimeError("Failed to reach API at http://x"), "Failed to reach API"),
    ],
)
def test_a_lost_server_is_an_error_of_the_infrastructure(error: Exception, said: str, record: Run) -> None:
    """With what to do; any other error of that type is left as it is."""
    with pytest.raises(InfrastructureError, match=said), ours._api_errors(record):
        raise error
    with pytest.raises(RuntimeError, match="a stage's own"), ours._api_errors(record):
        raise RuntimeError("a stage's own")


def test_the_environment_has_the_credential_within_the_block_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was set before comes back; what was not is gone."""
    monkeypatch.setenv("PREFECT_API_URL", "before")
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    with ours.client_environment(SERVER):
        assert (ours.os.environ["PREFECT_API_URL"], ours.os.environ["PREFECT_API_AUTH_STRING"]) == ("x", "a:b")
    assert ours.os.environ["PREFECT_API_URL"] == "before"
    assert "PREFECT_API_AUTH_STRING" not in ours.os.environ


def done(stage: str, ended: str) -> StageRecord:
    return StageRecord(stage, "done", started=BEFORE, ended=ended)


def test_what_ended_in_this_execution_is_waited_for(record: Run) -> None:
    """Not what was kept of a former one, nor what has not ended."""
    record.write_stage(done("ingestion", BEFORE))
    record.write_stage(done("features", AFTER))
    record.write_stage(StageRecord("inference", "running", started=BEFORE))
    assert ours._ended(record, now()) == {"features": 1}


def test_sleeves_count_too(tmp_path: Path) -> None:
    """Each of their stages, by name."""
    meta = create_run(load_meta("demo_meta", workspace=tmp_path), tmp_path, date(2022, 12, 28), "m")
    for leaf in meta.leaves()[:2]:
        RunRecord(tmp_path, leaf.link.run_id).write_stage(done("policy", AFTER))
    assert ours._ended(meta, now()) == {"policy": 2}


class Api:
    """Stands for the API: each answer once, the last one for ever."""

    def __init__(self, mocker: MockerFixture, *answers: list[str]) -> None:
        self.answers = list(answers)
        mocker.patch("quantflow.flows.watch.asking", return_value=nullcontext(self))
        mocker.patch("quantflow.flows.watch.fetch", side_effect=self.answer)
        mocker.patch.object(ours, "flush")

    def answer(self, *_: Any) -> list[TaskState]:
        """The names of the tasks that it knows to have ended."""
        ended = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        at = datetime(2026, 1, 1, tzinfo=UTC)
        return [TaskState(str(uuid4()), name, "Completed", "COMPLETED", at) for name in ended]


def test_the_end_of_each_stage_is_waited_for(record: Run, mocker: MockerFixture) -> None:
    """Parts of stages may be known before; they do not count."""
    record.write_stage(done("policy", AFTER))
    api = Api(mocker, [], ["policy level 1"], ["policy level 1", "policy"])
    ours.drain("t", record, now())
    assert len(api.answers) == 1
    assert "server.drain_incomplete" not in names(record)


def test_a_server_that_does_not_hear_is_given_up(
    record: Run, mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's events say so; its result does not wait."""
    monkeypatch.setattr(ours, "DRAIN_SECONDS", 0.2)
    record.write_stage(done("policy", AFTER))
    Api(mocker, [])
    ours.drain("t", record, now())
    assert names(record)[-1] == "server.drain_incomplete"


@pytest.mark.parametrize(
    ("chosen", "takes"),
    [
        ({"method": "hrp", "covariance": "shrunk", "mean": "empirical"}, False),
        ({"method": "hrp", "covariance": "oas", "mean": "empirical"}, True),
        ({"method": "max_sharpe", "covariance": "shrunk", "mean": "empirical", "turnover_cost": 0.0}, False),
        ({"method": "max_sharpe", "covariance": "shrunk", "mean": "shrunk"}, True),
        ({"method": "min_variance", "covariance": "shrunk", "mean": "empirical", "turnover_cost": 2.0}, True),
        ({"method": "risk_parity", "covariance": "shrunk", "mean": "empirical"}, True),
        ({"method": "equal_weight"}, False),
        ({"method": "their_own"}, True),
    ],
)
def test_what_a_run_needs_is_imported_while_its_server_boots(chosen: dict[str, Any], takes: bool) -> None:
    """Every module that is named can be imported; what estimates takes is left out where nothing is estimated."""
    found = ours.libraries_of({"allocation": chosen})
    assert ("skfolio.optimization" in found) == takes
    assert all(find_spec(name) is not None for name in found)
