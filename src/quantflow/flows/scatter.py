"""Doing parts of a run in workers, Ray's or processes: submitting, waiting so that signals are heard, giving up."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from prefect.futures import PrefectFuture

from quantflow.execution import ray as ray_cluster
from quantflow.execution.processes import booting_workers, interrupt_workers
from quantflow.execution.ray_head import HeadWatch
from quantflow.runs.run import Part
from quantflow.server.prefect_internals import handle_of

POLL_SECONDS = 0.1
LOOK_SECONDS, SILENCE_SECONDS = 5.0, 30.0
WORKER_LOSSES = 2
"""How often a part whose worker died is started again before it counts as failed; it goes on where it was."""

P = TypeVar("P", bound=Part)
Submit = Callable[[P], PrefectFuture[Any]]


def scattered(
    parts: Sequence[P], submit: Submit[P], is_over: Callable[[P], bool], in_flight: int | None = None
) -> list[tuple[P, PrefectFuture[Any]]]:
    """Do parts, as many at a time as there are workers; return each with its future, all of which have ended.

    What becomes of a part is for its record to say: a worker's answer can be lost.

    Args:
        parts: What is to be done.
        submit: Hands one to the flow's task runner.
        is_over: Whether its record tells of an end since this began.
        in_flight: How many are handed to the task runner before one has ended; None for all.
    """
    waiting, futures = list(reversed(parts)), list[tuple[P, PrefectFuture[Any]]]()
    pending: dict[Any, P] = {}
    patience = _Patience(is_over)

    def fill() -> None:
        with _worker_losses(), booting_workers():
            while waiting and (in_flight is None or len(pending) < in_flight):
                part = waiting.pop()
                futures.append((part, submit(part)))
                pending[handle_of(futures[-1][1])] = part

    try:
        fill()
        watch = HeadWatch() if pending and not _is_local(next(iter(pending))) else None
        while pending:
            for done in [*_finished(list(pending)), *patience.given_up(pending)]:
                pending.pop(done, None)
            if watch and pending:
                watch.check()
            fill()
            time.sleep(POLL_SECONDS if pending else 0)  # in naps: a wait inside the runner would swallow a signal
    except BaseException:  # a signal too must not leave workers at work
        _cancel([future for _, future in futures])
        raise
    return futures


def said_of(future: PrefectFuture[Any]) -> str:
    """Return what is known of the end of a part that has no record of it."""
    if not _finished([handle_of(future)]):  # given up; to wait for it here would be to wait for ever
        return "nothing came from its worker any more"
    try:
        future.wait()
    except BrokenExecutor:
        return "its worker process died"
    return future.state.message or str(future.state.name)


class _Patience:
    """Gives up a part whose record says that it is over, while nothing comes from its worker for half a minute."""

    def __init__(self, is_over: Callable[[Any], bool]) -> None:
        self._is_over = is_over
        self._silent_since: dict[Any, float] = {}
        self._looked = time.monotonic()

    def given_up(self, pending: dict[Any, P]) -> list[Any]:
        """Return what is not waited for any longer; looks every five seconds."""
        now = time.monotonic()
        if now - self._looked <= LOOK_SECONDS:
            return []
        self._looked = now
        over = [wait for wait, part in pending.items() if self._is_over(part)]
        return [wait for wait in over if now - self._silent_since.setdefault(wait, now) >= SILENCE_SECONDS]


@contextmanager
def _worker_losses() -> Iterator[None]:
    if "prefect_ray" not in sys.modules:  # processes do the work
        yield
        return
    from prefect_ray.context import remote_options

    with remote_options(max_retries=WORKER_LOSSES):
        yield


def _is_local(wait: Any) -> bool:
    return hasattr(wait, "done")


def _finished(waits: list[Any]) -> list[Any]:
    return [wait for wait in waits if wait.done()] if _is_local(waits[0]) else ray_cluster.finished(waits)


def _cancel(futures: Sequence[PrefectFuture[Any]]) -> None:
    waits = [handle_of(future) for future in futures]
    if waits and _is_local(waits[0]):
        for wait in waits:
            wait.cancel()
        interrupt_workers()
    elif waits:
        ray_cluster.cancel(waits)
