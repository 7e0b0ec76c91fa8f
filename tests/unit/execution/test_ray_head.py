"""The head of a cluster, while a run waits for its work: there and the same, gone, started again, or hanging."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from pytest_mock import MockerFixture

from quantflow.errors import InfrastructureError
from quantflow.execution import ray_head as ours
from quantflow.execution.ray_internals import Head

SAME, OTHER = Head("first", {"here": 0.0, "there": 2.0}), Head("second", {"here": 0.0, "there": 2.0})


class Clock:
    """Time as a test wants it."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still until a test moves it."""
    clock = Clock()
    monkeypatch.setattr(ours, "time", clock)
    return clock


@pytest.fixture
def head(mocker: MockerFixture) -> Iterator[socket.socket]:
    """What listens where this process believes the head to be."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as head:
        context = mocker.patch("ray.get_runtime_context").return_value
        context.gcs_address = f"127.0.0.1:{head.getsockname()[1]}"
        context.get_session_name.return_value, context.get_node_id.return_value = "first", "here"
        yield head


def looked(watch: ours.HeadWatch, clock: Clock, seconds: float = ours.ASK_SECONDS) -> None:
    """A look after some seconds, and another once the head has been asked."""
    clock.now += seconds
    watch.check()
    if watch._asking:
        watch._asking.join(5)
    watch.check()


def test_a_head_that_is_there_and_the_same_is_waited_for(
    head: socket.socket, clock: Clock, mocker: MockerFixture
) -> None:
    """For as long as it takes; one question that is not answered does no harm."""
    mocker.patch.object(ours, "head_at", side_effect=[SAME, None, *[SAME] * 20])
    watch = ours.HeadWatch()
    for _ in range(20):
        looked(watch, clock)


def test_a_head_that_is_gone_is_noticed(head: socket.socket, clock: Clock, mocker: MockerFixture) -> None:
    """Once it has not listened for its time, and not before."""
    mocker.patch.object(ours, "head_at", return_value=SAME)
    watch = ours.HeadWatch()
    looked(watch, clock)
    head.close()
    looked(watch, clock, 2)
    with pytest.raises(InfrastructureError, match="is gone") as raised:
        looked(watch, clock, ours.GONE_SECONDS)
    assert raised.value.exit_code == 30
    assert "resume" in str(raised.value.hint)


def test_a_head_that_was_started_again_is_noticed(head: socket.socket, clock: Clock, mocker: MockerFixture) -> None:
    """It listens as before, and never reports what it was not given: within seconds the run ends, in words."""
    mocker.patch.object(ours, "head_at", return_value=OTHER)
    watch = ours.HeadWatch()
    with pytest.raises(InfrastructureError, match="was started again") as raised:
        looked(watch, clock)
    assert raised.value.exit_code == 30


def test_a_head_that_hangs_is_noticed(head: socket.socket, clock: Clock, mocker: MockerFixture) -> None:
    """A connection to it still succeeds; it answers nothing, for a minute."""
    mocker.patch.object(ours, "head_at", return_value=None)
    watch = ours.HeadWatch()
    for _ in range(int(ours.SILENT_SECONDS / ours.ASK_SECONDS)):
        looked(watch, clock)
    with pytest.raises(InfrastructureError, match="has answered nothing for 60 s"):
        looked(watch, clock)


def test_a_node_of_this_process_that_is_gone_is_noticed(
    head: socket.socket, clock: Clock, mocker: MockerFixture
) -> None:
    """Work is submitted by it, and nothing reports that it is not any more."""
    mocker.patch.object(ours, "head_at", return_value=Head("first", {"there": 2.0}))
    watch = ours.HeadWatch()
    with pytest.raises(InfrastructureError, match="The node by which this command uses the Ray cluster"):
        looked(watch, clock)


def test_a_cluster_without_cpus_is_waited_for_ten_minutes(
    head: socket.socket, clock: Clock, mocker: MockerFixture
) -> None:
    """Workers may be restarted, or made; not for ever."""
    seen = mocker.patch.object(ours, "head_at", return_value=Head("first", {"here": 0.0}))
    watch = ours.HeadWatch()
    for _ in range(100):
        looked(watch, clock)
    seen.return_value = SAME
    looked(watch, clock)
    seen.return_value = Head("first", {"here": 0.0})
    for _ in range(119):
        looked(watch, clock)
    with pytest.raises(InfrastructureError, match="has had no node with CPUs for 10 min"):
        looked(watch, clock, 2 * ours.ASK_SECONDS)


def test_it_is_asked_again_only_when_it_has_answered(head: socket.socket, clock: Clock, mocker: MockerFixture) -> None:
    """A question that hangs is not followed by others, and holds nobody up."""
    asked = mocker.patch.object(ours, "head_at", side_effect=lambda address: time.sleep(0.5))
    watch = ours.HeadWatch()
    for _ in range(5):
        clock.now += ours.ASK_SECONDS
        watch.check()
    assert asked.call_count == 1
