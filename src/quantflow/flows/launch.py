"""How a flow is started, watched, drained and ended. Imports Prefect only once its settings are in place."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from quantflow.config.methods import METHODS
from quantflow.data.store import sweep
from quantflow.errors import InfrastructureError, Interrupted
from quantflow.flows.observe import observe
from quantflow.flows.runners import workers_for
from quantflow.flows.worker import api_lost, error_facts, logged, tags_of
from quantflow.quant.moments.estimators import DEFAULT
from quantflow.runs import stopping
from quantflow.runs.done import note_standing
from quantflow.runs.kinds import Selection, Sweep
from quantflow.runs.lock import owned
from quantflow.runs.recall import recall
from quantflow.runs.record import FAILED, INTERRUPTED, now
from quantflow.runs.run import Run
from quantflow.server.prefect_internals import api_errors, flush, is_unreachable, settings_with
from quantflow.server.server import ApiServer
from quantflow.server.url import reachable
from quantflow.types import Settings

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

    from quantflow.flows.states import Snapshot

DRAIN_SECONDS = 10.0
FIRST_PAUSE, LONGER = 0.05, 1.3
"""Seconds between the first two questions for what is drained, and the factor of each further pause: at most 16."""
QUIET = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL", "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL"}
"""Keeps Prefect's log lines off the terminal, which belongs to the progress view; they are in the run's log."""
_TABLES = ("pandas", "pyarrow.parquet", "scipy.linalg", "quantflow.quant.kernels")
_ESTIMATES = ("scipy.stats", "sklearn.base", "sklearn.model_selection", "cvxpy", "plotly.express")
"""What skfolio imports, piece by piece: a piece that has been begun is waited for."""
_WITHOUT_HEARTBEATS = {"flows.heartbeat_frequency": None}
Listener = Callable[["Snapshot"], None]


def execute(record: Run, server: ApiServer, *, forced: Sequence[str] = (), listener: Listener | None = None) -> Run:
    """Run or continue a created run on *server*; return what it did.

    Args:
        record: The run.
        server: The API server; it must outlive this call.
        forced: Stages to run even if they are complete.
        listener: Called from another thread with each new picture of the run's tasks, the last one final.

    Raises:
        LockedError: If another live process owns the run.
        QuantflowError: What ended the run.
    """
    recall(record)
    tag = record.tag(len(record.header.flow_runs) + 1)
    workers = nullcontext() if isinstance(record, Selection) else workers_for(record, server, tag)
    with owned(record.folder), client_environment(server), workers as runner, _loaded_settings(server):
        clean_up(record)
        try:
            with (
                logged(record),
                _watched(tag, record, server, listener),
                _recorded(record, server),
                _api_errors(record),
            ):
                _call_flow(record, tag, forced, runner, waits=server.booting)
        finally:
            observe(record.again())
        done = record.again()
        note_standing(done)
    return done


def clean_up(record: Run) -> None:
    """Remove what processes that died in the middle of a write have left behind."""
    root = Path(record.layout.root)
    artifacts = root / "artifacts"
    folders = list(artifacts.iterdir()) if artifacts.is_dir() else []
    sweep([root / "cache", *folders])
    record.sweep()


@contextmanager
def _api_errors(record: Run) -> Iterator[None]:
    """Turn what Prefect's client raises when its server is gone into an error of ours."""
    try:
        yield
    except api_errors() as error:
        raise api_lost(error, record.workspace) from error
    except RuntimeError as error:
        if not is_unreachable(error):
            raise
        raise api_lost(error, record.workspace) from error


def _call_flow(
    record: Run, tag: str, forced: Sequence[str], runner: Callable[[], TaskRunner[Any]] | None, *, waits: bool
) -> None:
    from prefect import tags

    arguments = (record.profile, record.id, str(record.workspace), list(forced))
    with tags(tag, *tags_of(record)):
        if runner is None:
            from quantflow.flows.selection import importing, selection_flow

            with importing(libraries_of(record.settings) if waits else ()):
                selection_flow(*arguments)
        elif isinstance(record, Sweep):
            from quantflow.flows.sweep import sweep_flow

            sweep_flow.with_options(task_runner=runner())(*arguments)
        else:
            from quantflow.flows.meta import meta_flow

            meta_flow.with_options(task_runner=runner())(*arguments)


def libraries_of(settings: Settings) -> tuple[str, ...]:
    """Return what the stages of a run compute with, in the order in which they need it."""
    chosen = settings["allocation"]
    method = METHODS.get(chosen["method"])
    plain = all(chosen.get(name) == getattr(DEFAULT, name) for name in ("covariance", "mean"))
    if method is not None and not method.estimates:
        return _TABLES
    if method is not None and method.direct and plain and not chosen.get("turnover_cost"):
        return (*_TABLES, "scipy.cluster.hierarchy")
    return (*_TABLES, *_ESTIMATES, "skfolio.optimization")


@contextmanager
def _recorded(record: Run, server: ApiServer) -> Iterator[None]:
    """Write down how the run ended, whatever ended it."""
    record.event("run.started", pid=os.getpid())
    before = len(record.header.flow_runs)
    try:
        yield
    except BaseException as error:  # a signal ends a run as well as an error does; both are written down
        number = stopping.received()
        if number is None and not isinstance(error, KeyboardInterrupt):
            record.event(FAILED, **error_facts(error))
            raise
        record.event(INTERRUPTED)
        if reachable(server.url):
            _mark_interrupted(record, before)
        raise Interrupted(number or signal.SIGINT) from error
    record.event("run.completed")


def _mark_interrupted(record: Run, before: int) -> None:
    """Tell the API that the flow run was interrupted, where Prefect itself only sees a crash; not those *before* it."""
    from prefect.client.orchestration import get_client
    from prefect.states import Cancelled

    flow_runs = record.again().header.flow_runs
    with contextlib.suppress(*api_errors(), RuntimeError), get_client(sync_client=True) as client:
        for flow_run in flow_runs[before:]:
            client.set_flow_run_state(UUID(flow_run), Cancelled(name="Interrupted", message="by a signal"), force=True)


@contextmanager
def _watched(tag: str, record: Run, server: ApiServer, listener: Listener | None) -> Iterator[None]:
    from quantflow.flows.watch import Watcher

    watcher = Watcher(tag, listener) if listener else None
    since = now()
    if watcher:
        watcher.start()
    try:
        yield
    finally:
        with contextlib.suppress(KeyboardInterrupt, Interrupted):  # a second signal cuts the draining short
            if reachable(server.url):
                drain(tag, record, since)
                if watcher:
                    watcher.finish()


@contextmanager
def client_settings(server: ApiServer) -> Iterator[None]:
    """Point Prefect at *server* in this process and its children."""
    with client_environment(server), _loaded_settings(server):
        yield


@contextmanager
def client_environment(server: ApiServer) -> Iterator[None]:
    """Point Prefect's clients at *server*, in this process and its children, that import Prefect from now on."""
    wanted = {**server.client_environment, **QUIET}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _loaded_settings(server: ApiServer) -> AbstractContextManager[Any]:
    """Return the settings context to run in: Prefect may have been imported before its environment was set."""
    already = "prefect" in sys.modules
    from prefect import settings

    if not already:
        return settings_with(_WITHOUT_HEARTBEATS if server.embedded else {})
    wanted: dict[Any, Any] = {settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None} if server.embedded else {}
    wanted |= {
        getattr(settings, name): value for name, value in server.client_environment.items() if hasattr(settings, name)
    }
    return settings.temporary_settings(wanted)


def drain(tag: str, record: Run, since: str) -> None:
    """Wait until the API knows the end of each stage that ended *since*; give up, and say so, after ten seconds."""
    from quantflow.flows.watch import asking, fetch

    flush()
    ended = _ended(record.again(), since)
    until, pause = time.monotonic() + DRAIN_SECONDS, FIRST_PAUSE
    with contextlib.suppress(InfrastructureError), asking() as client:
        while time.monotonic() < until:
            if Counter(task.name for task in fetch(tag, client) if task.final) >= ended:
                return
            time.sleep(pause)
            pause *= LONGER
        record.event("server.drain_incomplete")


def _ended(record: Run, since: str) -> Counter[str]:
    """Return which stages of this run and of its sleeves ended since then: as many task runs must the API know."""
    stages = record.stages.values()
    own = Counter(stage.stage for stage in stages if stage and stage.ended and stage.ended >= since)
    return sum((_ended(sleeve.run, since) for sleeve in record.sleeves), own)
