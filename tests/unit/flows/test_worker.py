"""What a sleeve's record says of how it ended, where it runs; and what the API is told of a scheduled run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from quantflow.errors import InfrastructureError, Interrupted
from quantflow.flows import scheduled
from quantflow.flows.worker import at_work
from quantflow.runs.run import Run
from recorded import created


@pytest.fixture
def record(tmp_path: Path) -> Run:
    """A run none of whose stages is done."""
    return created(tmp_path)


@pytest.mark.parametrize("error", [Interrupted(signal.SIGTERM), KeyboardInterrupt()])
def test_a_sleeve_that_a_signal_ends_is_interrupted(error: BaseException, record: Run) -> None:
    """As any other run; it did not fail."""
    with pytest.raises(type(error)), at_work(record):
        raise error
    assert (record.again().state, record.events()[-1]["event"]) == ("interrupted", "run.interrupted")


def test_a_sleeve_that_an_error_ends_failed(record: Run) -> None:
    """With the error's words and hint in its record."""
    with pytest.raises(InfrastructureError), at_work(record):
        raise InfrastructureError("no disk", hint="buy one")
    assert record.again().error == {"type": "InfrastructureError", "message": "no disk", "hint": "buy one"}


def test_a_scheduled_run_that_a_signal_ends_is_interrupted(record: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Prefect it is a cancelled flow run of that name."""

    def interrupted(record: Run, server: None) -> None:
        raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(scheduled, "execute", interrupted)
    state = scheduled._executed(record, None)  # type: ignore[arg-type]
    assert (state.name, state.is_cancelled()) == ("Interrupted", True)
    assert f"{record.id} was interrupted, exit code 130" in str(state.message)
