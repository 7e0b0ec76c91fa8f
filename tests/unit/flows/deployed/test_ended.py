"""What Prefect hears of a run that it has started."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled

from quantflow.config.load import load_profile
from quantflow.errors import ConfigError, DegradedError, InfrastructureError, Interrupted
from quantflow.flows.deployed import ended, flows
from quantflow.flows.deployed.ended import Ending, published
from quantflow.runs.done import AlreadyDone
from quantflow.runs.run import Run
from recorded import created


@pytest.fixture
def record(tmp_path: Path) -> Run:
    """A run that has just begun."""
    return created(tmp_path)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, Any]]]:
    """Take the place of Prefect's events; return them with their payloads."""
    sent: list[tuple[str, Mapping[str, Any]]] = []

    def emit(event: str, resource: Mapping[str, str], payload: Mapping[str, Any]) -> None:
        assert resource["prefect.resource.id"] == "quantflow.book.demo"
        sent.append((event, payload))

    monkeypatch.setattr(ended, "emit_event", emit)
    monkeypatch.setattr(ended, "inherited_server", lambda home: None)
    return sent


def test_prefect_hears_of_a_new_book_once(
    record: Run, events: list[tuple[str, Mapping[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of one that is published again, and of none where the book stays as it was."""
    books: list[SimpleNamespace] = []
    monkeypatch.setattr(ended, "current", lambda *_: books[-1] if books else None)
    monkeypatch.setattr(ended, "publish", lambda run: books.append(SimpleNamespace(run_id=run.id)))
    published(record)
    published(record)
    monkeypatch.setattr(ended, "publish", lambda run: books.append(SimpleNamespace(run_id="newer")))
    published(record)
    assert events == [("quantflow.book.published", {"run_id": "one", "as_of": "2022-12-28", "degraded": False})]


def test_prefect_hears_of_a_book_that_is_held_back(
    record: Run, events: list[tuple[str, Mapping[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the gate's words."""

    def hold(run: Run) -> None:
        raise DegradedError("too few names")

    monkeypatch.setattr(ended, "publish", hold)
    with pytest.raises(DegradedError):
        published(record)
    ((event, payload),) = events
    assert (event, payload["reason"]) == ("quantflow.book.held-back", "too few names")


@pytest.mark.usefixtures("events")
def test_a_run_that_fails_says_how_to_go_on(record: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exit code of the command line; what fails before it began is for the caller."""

    def fail(run: Run, server: None) -> None:
        raise InfrastructureError("no disk.", hint="Buy one.")

    monkeypatch.setattr(ended, "execute", fail)
    demo, home = load_profile("demo", workspace=record.workspace), record.workspace
    ending = Ending(lambda: nullcontext(record), print, lambda error, message: Cancelled(message=message))
    state = ending.state(demo, home)
    assert state.is_failed()
    assert state.message == "one failed, exit code 30: no disk. Buy one.\ngo on with: quantflow resume one"

    def refuse() -> Any:
        raise ConfigError("no such run")

    with pytest.raises(ConfigError):
        Ending(refuse, print, ending.interrupted).state(demo, home)


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize("there_before", [True, False])
def test_a_degraded_run_fails_where_that_is_asked_for(
    there_before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``strict``, as the command line has it; otherwise the state says so."""
    run = created(tmp_path, stale="prices end on 2022-12-20")
    monkeypatch.setattr(ended, "execute", lambda run, server: run)
    monkeypatch.setattr(ended, "publish", lambda run: None)
    monkeypatch.setattr(ended, "current", lambda *_: None)
    demo, found = load_profile("demo", workspace=tmp_path), AlreadyDone(run) if there_before else run

    def ending(strict: bool) -> Ending:
        return Ending(lambda: nullcontext(found), print, lambda error, message: Cancelled(message=message), strict)

    assert ending(False).state(demo, tmp_path).is_completed()
    with pytest.raises(DegradedError, match="degraded: prices end on 2022-12-20"):
        ending(True).state(demo, tmp_path)


@pytest.mark.parametrize(("answer", "cancelled"), [(True, True), (False, False), (httpx.ConnectError("gone"), False)])
def test_a_signal_is_a_cancellation_where_the_server_says_so(
    answer: bool | Exception, cancelled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other, also where no server answers, is Prefect's to name: it may start the flow run elsewhere."""

    def read_flow_run(flow_run: UUID) -> SimpleNamespace:
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(state=SimpleNamespace(is_cancelling=lambda: answer))

    monkeypatch.setattr(flows, "asking", lambda: nullcontext(SimpleNamespace(read_flow_run=read_flow_run)))
    monkeypatch.setattr(flows, "get_run_logger", lambda: SimpleNamespace(warning=print))
    monkeypatch.setattr(flows, "flow_run", SimpleNamespace(id="0192f3a4-0000-7000-8000-00001f2e3d4c"))
    if cancelled:
        found = flows._stopped(Interrupted(signal.SIGTERM), "one was interrupted")
        assert (found.is_cancelled(), found.message) == (True, "one was interrupted")
    else:
        with pytest.raises(TerminationSignal) as caught:
            flows._stopped(Interrupted(signal.SIGTERM), "one was interrupted")
        assert caught.value.signal == signal.SIGTERM
