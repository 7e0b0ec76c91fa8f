"""What Prefect's API knows of a run's tasks, live: the event stream, and polling, since the stream is lossy."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterTags
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Crashed

from quantflow.errors import InfrastructureError
from quantflow.flows.states import Snapshot, TaskState, merge
from quantflow.runs import stopping
from quantflow.server.prefect_internals import settings_with

POLL_SECONDS = 1.0
ASK_EVERY = 3
"""Polls to one question to the API: with a thousand tasks it is what costs, and the stream is seldom late."""
ASK_SECONDS = 10.0
PAGE = 200
SETTLE_SECONDS, INTERRUPTED_SECONDS = 5.0, 1.0


class Watcher:
    """Follows all task runs that carry a tag.

    Args:
        tag: The tag.
        listener: Called with each new picture, by task run id, and once a second with the last one, since what a
            record tells of a task may be new; never two calls at once.
    """

    def __init__(self, tag: str, listener: Callable[[Snapshot], None]) -> None:
        self._tag, self._listener = tag, listener
        self._tasks: dict[str, TaskState] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._following: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._threads = [
            threading.Thread(target=copy_context().run, args=(work,), daemon=True)  # Prefect's settings are context
            for work in (self._poll, self._stream)
        ]

    def start(self) -> None:
        """Begin to follow, in threads of their own."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Ask the API once more, so that the last picture is the true one, and end."""
        self._stop.set()
        if self._following:
            loop, task = self._following
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(task.cancel)
        with contextlib.suppress(InfrastructureError), asking() as client:
            self._take(fetch(self._tag, client))

    def _take(self, news: Iterable[TaskState]) -> None:
        with self._lock:
            merged = merge(self._tasks, news)
            if merged != self._tasks:
                self._tasks = merged
                self._listener(dict(merged))

    def _poll(self) -> None:
        polls = 0
        with asking() as client:
            while not self._stop.wait(POLL_SECONDS):
                polls += 1
                if polls % ASK_EVERY == 0:
                    with contextlib.suppress(InfrastructureError):  # the next poll may reach it again
                        self._take(fetch(self._tag, client))
                with self._lock:
                    self._listener(dict(self._tasks))

    def _stream(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._follow())

    async def _follow(self) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._following = (asyncio.get_running_loop(), task)
        await self._subscribe()

    async def _subscribe(self) -> None:
        wanted = EventFilter(any_resource=EventAnyResourceFilter(id=[f"prefect.tag.{self._tag}"]))
        with contextlib.suppress(Exception):  # any end of the stream leaves polling, which alone is enough
            async with get_events_subscriber(filter=wanted, reconnect_on_clean_close=True) as stream:
                async for event in stream:
                    if self._stop.is_set():
                        return
                    if event.resource.id.startswith("prefect.task-run."):
                        self._take([_from_event(event)])


def _from_event(event: Any) -> TaskState:
    resource, payload = event.resource, event.payload
    details = payload.get("validated_state", {}).get("state_details", {})
    due = details.get("scheduled_time")
    return TaskState(
        id=resource.id.rsplit(".", 1)[-1],
        name=resource.get("prefect.resource.name", ""),
        state=resource.get("prefect.state-name", ""),
        kind=resource.get("prefect.state-type", ""),
        at=datetime.fromisoformat(resource["prefect.state-timestamp"]),
        attempt=max(1, int(resource.get("prefect.run-count", "1"))),
        due=datetime.fromisoformat(due) if due else None,
        message=resource.get("prefect.state-message", "") or "",
        tags=frozenset(payload.get("task_run", {}).get("tags", ())),
    )


@contextlib.contextmanager
def asking() -> Iterator[SyncPrefectClient]:
    """Have a client of the API for several questions: to make one costs more than to ask. It gives up soon."""
    with (
        settings_with({"client.max_retries": 0}),
        get_client(sync_client=True, httpx_settings={"timeout": ASK_SECONDS}) as client,
    ):
        yield client


def fetch(tag: str, client: SyncPrefectClient) -> list[TaskState]:
    """Return the task runs that carry *tag*, as the API holds them now.

    Raises:
        InfrastructureError: If the API does not answer.
    """
    found: list[TaskState] = []
    wanted = TaskRunFilter(tags=TaskRunFilterTags(all_=[tag]))
    try:
        while True:
            page = client.read_task_runs(task_run_filter=wanted, limit=PAGE, offset=len(found))
            found += [_from_run(run) for run in page]
            if len(page) < PAGE:
                return found
    except (httpx.HTTPError, PrefectHTTPStatusError, OSError, RuntimeError) as error:
        raise InfrastructureError(f"The API server does not answer: {error}.") from error


def _from_run(run: Any) -> TaskState:
    state = run.state
    return TaskState(
        id=str(run.id),
        name=run.name,
        state=state.name if state else "Pending",
        kind=state.type.value if state else "PENDING",
        at=state.timestamp if state else datetime.min.replace(tzinfo=UTC),
        attempt=max(1, run.run_count),
        due=state.state_details.scheduled_time if state else None,
        message=(state.message or "") if state else "",
        tags=frozenset(run.tags),
    )


def settle(tag: str, names: Collection[str]) -> None:
    """Wait until the API knows that tasks have ended; after some seconds report as crashed those that it does not.

    The last events of a worker that is ended at once would be lost, and its task run shown as running for ever.

    Args:
        tag: The tag of the task runs.
        names: The names of the task runs.
    """
    until = time.monotonic() + (SETTLE_SECONDS if stopping.received() is None else INTERRUPTED_SECONDS)
    with contextlib.suppress(InfrastructureError, httpx.HTTPError), asking() as client:
        while open_ := [task for task in fetch(tag, client) if task.name in names and not task.final]:
            if time.monotonic() > until:
                for task in open_:
                    client.set_task_run_state(UUID(task.id), Crashed(message="its worker is gone"), force=True)
                return
            time.sleep(0.1)
