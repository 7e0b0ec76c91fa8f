"""What quantflow uses of Prefect that Prefect does not document: here, and nowhere else.

Each function says what it is for and what it relies on; its test fails, naming Prefect's version, when that changes.
Prefect is imported where it is used: it reads its settings once, when it is imported.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

    from prefect import Flow
    from prefect.artifacts import Artifact
    from prefect.filesystems import WritableFileSystem
    from prefect.futures import PrefectFuture
    from prefect.runner import Runner

P = ParamSpec("P")
R = TypeVar("R")

FLUSH_SECONDS = 5.0


@cache
def set_up_logging() -> None:
    """Set up Prefect's loggers now: a flow run would do it too, and replace handlers that were added before.

    What it sets them up by is read once: to make it from all settings takes 60 ms.
    """
    from prefect.logging import configuration

    load = cache(configuration.load_logging_config)
    configuration.load_logging_config = lambda path: deepcopy(load(path))
    configuration.setup_logging()


@contextmanager
def settings_with(changes: Mapping[str, Any]) -> Iterator[None]:
    """Change Prefect's settings within the block, as its ``temporary_settings`` does in 50 ms: it validates them all.

    Args:
        changes: Values of the settings' own types, by section and name: ``{"client.max_retries": 0}``.
    """
    from prefect.context import SettingsContext, get_settings_context

    context = get_settings_context()
    settings = context.settings
    for place, value in changes.items():
        section, name = place.split(".")
        settings = settings.model_copy(update={section: getattr(settings, section).model_copy(update={name: value})})
    with SettingsContext(profile=context.profile, settings=settings):
        yield


def take_parameters_as_they_are(flow: Flow[P, R]) -> Flow[P, R]:
    """Return *flow*, whose parameters are texts and lists: Prefect would import FastAPI, for 100 ms, to send them."""

    def as_plain(parameters: dict[str, Any]) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(json.dumps(parameters, default=str))
        return plain

    flow.serialize_parameters = as_plain  # type: ignore[method-assign]
    return flow


def flush() -> None:
    """Send what is queued for the API, log lines and events; Prefect would do so at the end of the process."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    with contextlib.suppress(TimeoutError, RuntimeError):
        APILogHandler().flush()
        EventsWorker.drain_all(timeout=FLUSH_SECONDS)


@cache
def limit_last_events(seconds: float) -> None:
    """Let this process, a pool's worker, wait for its last events *seconds* at most, where Prefect has no limit.

    A server that lives and fails, on a disk that is gone, would hold up the run for ever.
    """
    from prefect.events.worker import EventsWorker

    def wait_until_empty(self: EventsWorker) -> None:
        until = time.monotonic() + seconds
        while self._queue.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.02)

    EventsWorker.wait_until_empty = wait_until_empty  # type: ignore[method-assign, assignment]


def handle_of(future: PrefectFuture[Any]) -> Future[Any] | Any:
    """Return what is behind a task's future: a future of a process pool, or a reference of Ray's."""
    return future.wrapped_future  # type: ignore[attr-defined]


def use_result_storage(storage: WritableFileSystem) -> None:
    """Make *storage* the result storage of the flow run that this is called in; options of the flow come too late."""
    from prefect.results import get_result_store

    get_result_store().result_storage = storage


def as_result_record(key: str, result: object) -> bytes:
    """Return *result* as Prefect's result storage reads it, with the JSON serializer."""
    metadata = {"storage_key": key, "serializer": {"type": "json"}}
    return json.dumps({"metadata": metadata, "result": json.dumps(result)}).encode()


def from_result_record(content: bytes) -> Any:
    """Return the result that Prefect's record *content* carries."""
    return json.loads(json.loads(content)["result"])


def data_of(artifact: Artifact) -> Any:
    """Return an artifact's data as the API takes them; its own ``create`` knows no time limit."""
    return artifact.format(_sync=True)  # type: ignore[call-arg]


def api_errors() -> tuple[type[Exception], ...]:
    """Return what Prefect's client raises when the API does not answer, or refuses; but see ``is_unreachable``."""
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError

    return httpx.HTTPError, PrefectHTTPStatusError


def is_unreachable(error: BaseException) -> bool:
    """Whether a ``RuntimeError`` of Prefect's client means that the API did not answer; it has no class of its own."""
    return isinstance(error, RuntimeError) and "reach API" in str(error)


def leave_signals_alone(runner: Runner) -> None:
    """Keep a runner from acting on SIGTERM: it would leave at once, also while it starts."""
    runner.handle_sigterm = lambda *_: None  # type: ignore[method-assign]


async def next_of(cron: str, timezone: str) -> datetime:
    """Return the next time of a cron line, as the scheduler of Prefect's server computes it.

    Raises:
        ValueError: If there is none, or line or time zone cannot be read.
    """
    from prefect.server.schemas.schedules import CronSchedule

    (found,) = await CronSchedule(cron=cron, timezone=timezone).get_dates(1)
    return found


def server_app() -> Callable[..., Any]:
    """Return the ASGI application of an API server of this process's own, with two changes.

    Each write transaction begins with the write lock, so that SQLite's busy timeout applies: a transaction that reads
    first and then wants to write fails at once when another has written in between; with several workers reporting at
    a time, clients would see 503s. And task runs' states are written several times a second, since a run's end waits
    for its last ones: Prefect's own setting knows whole seconds only.
    """
    from prefect.server.api.server import create_app

    let_writers_wait()
    record_promptly()
    return create_app(final=True)


def let_writers_wait() -> None:
    """Begin each write transaction of the server's database with the write lock."""
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_immediate(self: Any, session: Any, with_for_update: bool = True) -> Any:
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_immediate  # type: ignore[method-assign]


RECORD_SECONDS = 0.2


def record_promptly() -> None:
    """Have the server write task runs' states every ``RECORD_SECONDS``."""
    from prefect.server.services import task_run_recorder

    consumer = task_run_recorder.consumer

    def prompt_consumer(write_batch_size: int, flush_every: float, **options: Any) -> Any:
        return consumer(write_batch_size=write_batch_size, flush_every=RECORD_SECONDS, **options)  # type: ignore[arg-type]

    task_run_recorder.consumer = prompt_consumer  # type: ignore[assignment]


def migrations() -> tuple[str, ...]:
    """Return what says which database the server's migrations make: Prefect's version, and their names in order.

    Prefect is not imported for it. Empty if they do not lie where they are looked for.
    """
    found = find_spec("prefect")
    (root,) = (found and found.submodule_search_locations) or ("",)
    names = sorted(path.name for path in Path(root, "server/database/_migrations/versions/sqlite").glob("*.py"))
    return (version("prefect"), *names) if names else ()


def after_migrations(do: Callable[[], None]) -> None:
    """Call *do* once this process's server has migrated its database, before it writes anything else there."""
    from prefect.server.database.interface import PrefectDBInterface

    create = PrefectDBInterface.create_db

    async def create_then(self: PrefectDBInterface) -> None:
        await create(self)
        do()

    PrefectDBInterface.create_db = create_then  # type: ignore[method-assign]
