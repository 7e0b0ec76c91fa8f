"""What quantflow relies on in Prefect that is not documented; each failure names Prefect's version and what changed."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import queue
import time
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from quantflow.server import prefect_internals as ours

VERSION = version("prefect")


def changed(what: str) -> str:
    """What a test says when Prefect is not what it was."""
    return f"Prefect {VERSION}: {what} is not as server/prefect_internals.py relies on"


@pytest.fixture
def events_worker() -> Iterator[Any]:
    """Prefect's events worker class, put back as it was."""
    from prefect.events.worker import EventsWorker

    ours.limit_last_events.cache_clear()
    yield EventsWorker
    del EventsWorker.wait_until_empty  # it is inherited
    ours.limit_last_events.cache_clear()


def test_logging_is_set_up_only_once() -> None:
    """A second set-up, as each flow run makes, leaves handlers that were added since in place."""
    from prefect.logging.configuration import setup_logging

    ours.set_up_logging()
    handler, logger = logging.NullHandler(), logging.getLogger("prefect")
    logger.addHandler(handler)
    try:
        setup_logging()
        assert handler in logger.handlers, changed("setup_logging, called again,")
    finally:
        logger.removeHandler(handler)


def test_queues_can_be_flushed(mocker: MockerFixture) -> None:
    """Events and log lines are sent when asked, not only at the end of the process."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    drained = mocker.patch.object(EventsWorker, "drain_all", autospec=True)
    flushed = mocker.patch.object(APILogHandler, "flush", autospec=True)
    ours.flush()
    assert drained.call_args.kwargs == {"timeout": ours.FLUSH_SECONDS}, changed("EventsWorker.drain_all")
    assert flushed.call_count == 1, changed("APILogHandler.flush")


def test_the_wait_for_the_last_events_ends(events_worker: Any) -> None:
    """With a server that takes nothing, after the seconds that were given."""
    assert callable(events_worker.wait_until_empty), changed("EventsWorker.wait_until_empty")
    ours.limit_last_events(0.2)
    worker = events_worker.__new__(events_worker)

    class Queue:
        unfinished_tasks = 1

    worker._queue = Queue()
    began = time.monotonic()
    worker.wait_until_empty()
    assert 0.2 <= time.monotonic() - began < 2.0


def test_the_events_worker_has_a_queue_that_counts() -> None:
    """What ``limit_last_events`` looks at."""
    from prefect._internal.concurrency import services

    source = inspect.getsource(services)
    assert "self._queue: queue.Queue[" in source, changed("the queue of a QueueService")
    assert queue.Queue().unfinished_tasks == 0


def test_a_future_has_what_is_behind_it() -> None:
    """A pool's future can be looked at without waiting for it."""
    from prefect.futures import PrefectConcurrentFuture

    inner: Future[Any] = Future()
    future: Any = PrefectConcurrentFuture(task_run_id=None, wrapped_future=inner)  # type: ignore[arg-type]
    assert ours.handle_of(future) is inner, changed("PrefectConcurrentFuture.wrapped_future")


def test_a_rays_future_has_what_is_behind_it() -> None:
    """So can a Ray's."""
    from prefect_ray.task_runners import PrefectRayFuture

    reference = object()
    future: Any = PrefectRayFuture(task_run_id=None, wrapped_future=reference)  # type: ignore[arg-type]
    assert ours.handle_of(future) is reference, f"prefect-ray {version('prefect-ray')}: PrefectRayFuture has changed"


def test_results_are_stored_where_a_flow_says(mocker: MockerFixture) -> None:
    """The result store of a flow run takes another storage while the flow runs."""
    from prefect import results
    from prefect.filesystems import LocalFileSystem

    assert "run_context.result_store" in inspect.getsource(results.get_result_store), changed("get_result_store")
    store, storage = results.ResultStore(), LocalFileSystem()
    mocker.patch.object(results, "get_result_store", return_value=store)
    ours.use_result_storage(storage)
    assert store.result_storage is storage, changed("ResultStore.result_storage")


def test_a_result_record_is_prefects() -> None:
    """Prefect reads what is handed on, and what it writes can be read."""
    from prefect.results import ResultRecord

    value = {"outputs": {"weights": {"sha256": "00"}}, "summary": {}}
    found: Any = ResultRecord.deserialize(ours.as_result_record("key", value))
    assert found.result == value, changed("the form of a ResultRecord")
    assert ours.from_result_record(found.serialize()) == value, changed("the form of a ResultRecord")


def test_an_artifacts_data_can_be_had() -> None:
    """A table as the API takes it, without sending it."""
    from prefect.artifacts import TableArtifact

    data = ours.data_of(TableArtifact(key="k", table=[{"symbol": "KO", "weight": 1.0}]))
    assert data == '[{"symbol": "KO", "weight": 1.0}]', changed("Artifact.format")


def test_an_api_that_is_not_there_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """By Prefect's own words: the error has no class of its own."""
    from prefect import flow
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    nowhere = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(nowhere), pytest.raises(Exception) as found:  # noqa: PT011  # whatever Prefect raises
        flow(lambda: None, name="nothing")()
    assert ours.is_unreachable(found.value), changed(f"the error of a lost API, {found.value!r},")
    assert not ours.is_unreachable(RuntimeError("no loop"))


def test_a_runner_leaves_sigterm_to_others() -> None:
    """What Prefect would install as the handler of SIGTERM does nothing."""
    from prefect.runner import Runner

    assert "handle_sigterm" in vars(Runner), changed("Runner.handle_sigterm")
    assert "self.handle_sigterm" in inspect.getsource(Runner), changed("what Runner does on SIGTERM")
    runner = Runner(name="test")
    ours.leave_signals_alone(runner)
    runner.handle_sigterm(15, None)
    assert os.getpid()


def test_a_runner_says_when_it_has_started() -> None:
    """``serve`` waits for it."""
    from prefect.runner import Runner

    assert Runner(name="test").started is False, changed("Runner.started")


def test_the_next_time_of_a_cron_line_is_known() -> None:
    """As the scheduler has it, in the line's own time zone; a day that never comes is refused."""
    found = asyncio.run(ours.next_of("30 16 * * 1-5", "America/New_York"))
    assert isinstance(found, datetime)
    assert (found.hour, found.minute, str(found.tzinfo)) == (16, 30, "America/New_York"), changed("CronSchedule")
    with pytest.raises(ValueError, match=r".+"):
        asyncio.run(ours.next_of("0 0 30 2 *", "UTC"))


def test_writers_wait_for_the_databases_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each transaction of the server's database asks for the write lock as it begins."""
    from prefect.server.database.configurations import AioSqliteConfiguration

    parameters = list(inspect.signature(AioSqliteConfiguration.begin_transaction).parameters)
    assert parameters == ["self", "session", "with_for_update"], changed("AioSqliteConfiguration.begin_transaction")
    asked: list[bool] = []

    def begin(self: Any, session: Any, with_for_update: bool = False) -> None:
        asked.append(with_for_update)

    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", begin)
    ours.let_writers_wait()
    AioSqliteConfiguration.begin_transaction(object(), object())  # type: ignore[arg-type]
    assert asked == [True]


def test_task_runs_are_recorded_promptly(mocker: MockerFixture) -> None:
    """The recorder's consumer takes seconds as a fraction, by name."""
    from prefect.server.services import task_run_recorder

    parameters = inspect.signature(task_run_recorder.consumer).parameters
    assert {"write_batch_size", "flush_every"} <= set(parameters), changed("task_run_recorder.consumer")
    consumer = mocker.patch.object(task_run_recorder, "consumer")
    ours.record_promptly()
    task_run_recorder.consumer(write_batch_size=100, flush_every=1)
    assert consumer.call_args.kwargs == {"write_batch_size": 100, "flush_every": ours.RECORD_SECONDS}


def test_the_recorder_is_started_by_its_modules_name() -> None:
    """The service looks the consumer up when it starts, so that another one can be put in its place."""
    from prefect.server.services import task_run_recorder

    source = inspect.getsource(task_run_recorder)
    assert "consumer(" in source.replace("async def consumer(", ""), changed("how the recorder starts its consumer")


def test_a_server_is_an_application() -> None:
    """``create_app(final=True)`` returns one for uvicorn."""
    from prefect.server.api.server import create_app

    assert "final" in inspect.signature(create_app).parameters, changed("create_app")


def test_the_migrations_of_the_servers_database_are_known() -> None:
    """Their names, found without importing Prefect, are those that Alembic runs, its head among them."""
    from alembic.script import ScriptDirectory
    from prefect.server.database.alembic_commands import alembic_config
    from prefect.server.database.orm_models import AioSqliteORMConfiguration

    made_by, *names = ours.migrations()
    assert made_by == VERSION
    folder = AioSqliteORMConfiguration().versions_dir
    scripts = ScriptDirectory.from_config(alembic_config())
    scripts.version_locations = [str(folder)]
    (head,) = scripts.get_heads()
    assert names, changed("the folder of SQLite's migrations")
    assert names == sorted(path.name for path in folder.glob("*.py")), changed("the folder of SQLite's migrations")
    assert any(head in name for name in names), changed("how migrations are called")


def test_something_is_done_after_the_migrations(mocker: MockerFixture) -> None:
    """The server migrates its database by one method when it starts, and does nothing else there before."""
    from prefect.server.api import server
    from prefect.server.database.interface import PrefectDBInterface

    started = inspect.getsource(server.create_app)
    assert "await db.create_db()" in started, changed("how the server migrates its database")
    first = started.index("await run_migrations()") < started.index("await add_block_types()")
    assert first, changed("what the server does first")
    order: list[str] = []

    async def create(self: Any) -> None:
        order.append("migrated")

    mocker.patch.object(PrefectDBInterface, "create_db", create)
    ours.after_migrations(lambda: order.append("done"))
    asyncio.run(PrefectDBInterface.create_db(object()))  # type: ignore[arg-type]
    assert order == ["migrated", "done"]


def test_kinds_of_blocks_can_be_left_out() -> None:
    """By two settings: one that registers them, and one that looks whether that has to be done."""
    from prefect.settings import get_current_settings

    server = get_current_settings().server
    assert isinstance(server.memoize_block_auto_registration, bool), changed("memoize_block_auto_registration")
    from prefect.settings.models.server import root

    assert "prefect_api_blocks_register_on_start" in inspect.getsource(root), changed("register_on_start")


def test_settings_can_be_changed_at_once() -> None:
    """To what Prefect's own way makes of them, for the block alone, and read back by Prefect's own accessors."""
    from prefect.settings import (
        PREFECT_CLIENT_MAX_RETRIES,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        get_current_settings,
        temporary_settings,
    )

    before = get_current_settings()
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        wanted = get_current_settings().model_dump()
    with ours.settings_with({"client.max_retries": 0, "flows.heartbeat_frequency": None}):
        assert get_current_settings().model_dump() == wanted, changed("what temporary_settings makes")
        assert (PREFECT_CLIENT_MAX_RETRIES.value(), PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value()) == (0, None)
        assert before.client.max_retries != 0, "the settings around the block were changed"
    assert get_current_settings() == before


def test_the_logging_configuration_is_read_once(mocker: MockerFixture) -> None:
    """Each set-up gets one of its own, since Prefect changes what it is given."""
    from prefect.logging import configuration

    assert "config = load_logging_config(" in inspect.getsource(configuration.setup_logging), changed("setup_logging")
    load = mocker.patch.object(configuration, "load_logging_config", return_value={"version": 1, "loggers": {}})
    ours.set_up_logging.__wrapped__()
    configuration.setup_logging()
    assert load.call_count == 1
    assert load.return_value == {"version": 1, "loggers": {}}


def test_a_flows_parameters_are_sent_as_they_are() -> None:
    """As Prefect would send them; what is no text or list, as text."""
    from prefect import flow

    @ours.take_parameters_as_they_are
    @flow
    def some(name: str, others: tuple[str, ...] = (), path: Path | None = None) -> None: ...

    given = {"name": "a", "others": ["b"], "path": None}
    assert "self.flow.serialize_parameters(" in source_of("flow_engine"), changed("how parameters are sent")
    assert some.serialize_parameters(given) == given
    assert some.serialize_parameters({"others": ("b",), "path": Path("/x")}) == {"others": ["b"], "path": "/x"}


def source_of(module: str) -> str:
    """The source of a module of Prefect's."""
    return inspect.getsource(import_module(f"prefect.{module}"))
