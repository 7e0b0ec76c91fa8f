"""``quantflow serve`` around Prefect's runner: what it does when that fails, and when a signal comes early."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import prefect.runner
import pytest

from quantflow.errors import InfrastructureError
from quantflow.flows import serve as serving
from quantflow.server.server import ApiServer

SERVER = ApiServer("http://bob:s3cr3t@host/api", embedded=False, environment={})
LOST = ExceptionGroup("many", [ExceptionGroup("more", [httpx.ConnectError("no http://bob:s3cr3t@host/api\nmore")])])


class Runner(prefect.runner.Runner):
    """Prefect's own, that asks no API server; subclasses say what happens while it starts and while it polls."""

    async def __aenter__(self) -> Any:
        self.starts()
        self._loops_task_group = anyio.create_task_group()
        self._scheduled_run_poller: Any = self
        self.started = True
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.started = False

    async def cancel_all(self) -> None:
        """Nothing runs."""

    async def run(self) -> None:
        """Poll."""
        await anyio.sleep(0.2)
        self.polls()
        await anyio.sleep(30)

    def starts(self) -> None:
        """Nothing goes wrong."""

    def polls(self) -> None:
        """Nothing is due."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No API server to clear, and the signals' handlers as they were."""

    async def nothing(*_: Any) -> None:
        return

    monkeypatch.setattr(serving, "_clear", nothing)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def served(monkeypatch: pytest.MonkeyPatch, home: Path, runner: type[Runner]) -> tuple[int | str, bool]:
    """The signal's number or the error's text, and whether it said that it serves."""
    monkeypatch.setattr(prefect.runner, "Runner", runner)
    said: list[bool] = []
    try:
        return serving.serve(home, {}, SERVER, lambda: said.append(True)), bool(said)
    except InfrastructureError as error:
        return error.message, bool(said)


def test_a_server_that_goes_away_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As an error of the infrastructure, whatever groups the library wraps it in, and without the password."""

    class Losing(Runner):
        def polls(self) -> None:
            raise LOST

    expected = "The API server at http://host/api rejected the request: no http://***@host/api."
    assert served(monkeypatch, tmp_path, Losing) == (expected, True)


def test_a_runner_that_does_not_start_does_not_serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is told that it serves."""

    class Broken(Runner):
        def starts(self) -> None:
            raise RuntimeError("Runner failed to start: client")

    expected = "The API server at http://host/api rejected the request: Runner failed to start: client."
    assert served(monkeypatch, tmp_path, Broken) == (expected, False)


@pytest.mark.parametrize("when", ["starts", "polls"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_order(
    when: str, number: signal.Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also one that comes while the runner starts, which by itself would end with 0 and leave its schedules on."""

    def signalled(_: Runner) -> None:
        os.kill(os.getpid(), number)

    runner = type("Signalled", (Runner,), {when: signalled})
    assert served(monkeypatch, tmp_path, runner)[0] == number


def test_an_error_of_another_kind_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A defect is not a trouble of the infrastructure."""

    class Defect(Runner):
        def polls(self) -> None:
            raise KeyError("a defect")

    with pytest.raises(ExceptionGroup):
        served(monkeypatch, tmp_path, Defect)
