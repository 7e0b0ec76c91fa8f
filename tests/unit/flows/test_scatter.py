"""Parts of a run in workers: what is handed out, waited for, given up and cancelled."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture

from quantflow.errors import InfrastructureError, Interrupted
from quantflow.flows import scatter as ours


@dataclass(frozen=True)
class Piece:
    """A part of a run."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict, hash=False)


@dataclass
class Pool:
    """Stands for a task runner: futures that a test ends."""

    inner: dict[str, Future[Any]] = field(default_factory=dict)

    def submit(self, piece: Piece) -> Any:
        """Hand out a part."""
        self.inner[piece.name] = Future()
        return SimpleNamespace(wrapped_future=self.inner[piece.name])

    def end_one(self, _: float) -> None:
        """End the oldest part that is at work, as time goes by."""
        for inner in [inner for inner in self.inner.values() if not inner.done()][:1]:
            inner.set_result(None)


def never(piece: Piece) -> bool:
    """No record tells of an end."""
    return False


PIECES = [Piece(name) for name in "abcdefg"]


def test_all_are_handed_out_in_order_and_waited_for(mocker: MockerFixture) -> None:
    """In naps, so that a signal is heard."""
    pool = Pool()
    nap = mocker.patch.object(ours.time, "sleep", side_effect=pool.end_one)
    done = ours.scattered(PIECES, pool.submit, never)
    assert [piece for piece, _ in done] == PIECES
    assert all(inner.done() for inner in pool.inner.values())
    assert nap.call_args_list[0].args == (ours.POLL_SECONDS,)


def test_no_more_are_in_flight_than_asked_for(mocker: MockerFixture) -> None:
    """The next is handed out when one has ended."""
    pool, most = Pool(), []

    def nap(seconds: float) -> None:
        most.append(sum(not inner.done() for inner in pool.inner.values()))
        if seconds:
            pool.end_one(seconds)

    mocker.patch.object(ours.time, "sleep", side_effect=nap)
    ours.scattered(PIECES, pool.submit, never, in_flight=3)
    assert list(pool.inner) == list("abcdefg")
    assert max(most) == 3


def test_none_to_wait_for_is_no_wait() -> None:
    """A run whose parts are complete submits nothing."""
    assert ours.scattered([], Pool().submit, never) == []


def test_a_head_that_is_gone_ends_the_wait(mocker: MockerFixture) -> None:
    """Futures of Ray are refs, which cannot be asked by themselves."""
    mocker.patch.object(ours.ray_cluster, "finished", return_value=[])
    cancelled = mocker.patch.object(ours.ray_cluster, "cancel")
    gone = InfrastructureError("The head of the Ray cluster is gone.")
    mocker.patch.object(ours, "HeadWatch").return_value.check.side_effect = gone
    with pytest.raises(InfrastructureError, match="is gone"):
        ours.scattered(PIECES[:1], lambda piece: SimpleNamespace(wrapped_future="ref"), never)  # type: ignore[arg-type, return-value]
    cancelled.assert_called_once_with(["ref"])


def test_a_signal_cancels_what_is_at_work(mocker: MockerFixture) -> None:
    """And goes on up."""
    pool = Pool()
    mocker.patch.object(ours.time, "sleep", side_effect=Interrupted(15))
    with pytest.raises(Interrupted):
        ours.scattered(PIECES[:1], pool.submit, never)
    assert pool.inner["a"].cancelled()


def test_a_worker_that_falls_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the record of its part tells of an end; others are waited for."""
    monkeypatch.setattr(ours, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(ours, "SILENCE_SECONDS", 0.2)
    pool = Pool()
    ((_, future),) = ours.scattered(PIECES[:1], pool.submit, lambda piece: True)
    assert ours.said_of(future) == "nothing came from its worker any more"


def test_what_was_given_up_is_not_waited_for_again(monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture) -> None:
    """The ref of a part whose worker was lost with Ray's head never becomes ready: its future is not asked."""
    monkeypatch.setattr(ours, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(ours, "SILENCE_SECONDS", 0.2)
    mocker.patch.object(ours, "HeadWatch")
    mocker.patch.object(ours.ray_cluster, "finished", return_value=[])
    lost = mocker.Mock(wrapped_future="ref")
    lost.wait.side_effect = AssertionError("this waits for ever")
    ((_, future),) = ours.scattered(PIECES[:1], lambda piece: lost, lambda piece: True)
    assert ours.said_of(future) == "nothing came from its worker any more"
