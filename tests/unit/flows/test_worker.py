"""What a sleeve's record says of how it ended, where it runs; and what the API is told of a scheduled run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest

from quantflow.errors import InfrastructureError, Interrupted
from quantflow.flows import scheduled
from quantflow.flows.deployed import ended
from quantflow.flows.worker import working_on
from quantflow.runs.run import Run
from recorded import created


@pytest.fixture
def record(tmp_path: Path) -> Run:
    """A run none of whose stages is done."""
    return created(tmp_path)


@pytest.mark.parametrize("error", [Interrupted(signal.SIGTERM), KeyboardInterrupt()])
def test_a_sleeve_that_a_signal_ends_is_interrupted(error: BaseException, record: Run) -> None:
    """As any other run; it did not fail."""
    with pytest.raises(type(error)), working_on(record):
        raise error
    assert (record.again().state, record.events()[-1]["event"]) == ("interrupted", "run.interrupted")


def test_a_sleeve_that_an_error_ends_failed(record: Run) -> None:
    """With the error's words and hint in its record."""
    with pytest.raises(InfrastructureError), working_on(record):
        raise InfrastructureError("no disk", hint="buy one")
    assert record.again().error == {"type": "InfrastructureError", "message": "no disk", "hint": "buy one"}


def test_what_a_killed_worker_left_unfinished_is_removed(record: Run) -> None:
    """The next worker of the sleeve removes half-written files of its record; those of living processes stay."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    (record.folder / "stages").mkdir(exist_ok=True)
    left, others = (
        record.folder / "stages" / f".tmp-{socket.gethostname()}-{pid}-abc" for pid in (dead.pid, os.getpid())
    )
    left.touch()
    others.touch()
    with working_on(record):
        assert (left.exists(), others.exists()) == (False, True)


def test_a_scheduled_run_that_a_signal_ends_is_interrupted(record: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Prefect it is a cancelled flow run of that name."""

    def interrupted(record: Run, server: None) -> None:
        raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(ended, "execute", interrupted)
    monkeypatch.setattr(ended, "inherited_server", lambda home: None)
    monkeypatch.setattr(scheduled, "begun_unless_done", lambda *_: nullcontext(record))
    state = scheduled._run(record.workspace, "demo")
    assert (state.name, state.is_cancelled()) == ("Interrupted", True)
    assert f"{record.id} was interrupted, exit code 130" in str(state.message)
