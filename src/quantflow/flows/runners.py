"""The workers of sleeves and trials: Ray or processes. Imports no Prefect: Ray starts while that is imported."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from quantflow.errors import InfrastructureError
from quantflow.execution import ray as ray_cluster
from quantflow.execution import ray_wheels
from quantflow.execution.background import InBackground
from quantflow.execution.processes import begin_work
from quantflow.execution.ray import Cluster
from quantflow.flows.handshake import refuse_unfit_nodes
from quantflow.runs.kinds import Sweep
from quantflow.runs.run import Part, Run
from quantflow.server.server import ApiServer

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

NEEDED = (
    "quantflow.flows.meta",
    "quantflow.flows.sweep",
    "quantflow.stages.validation",
    "skfolio",
    "numba",
    "pyarrow.parquet",
)
"""What each worker of a new Ray imports at once, while the flow run is registered with the API."""

_in_use: ContextVar[_RayInUse | None] = ContextVar("workers", default=None)


@contextmanager
def workers_for(record: Run, server: ApiServer, tag: str) -> Iterator[Callable[[], TaskRunner[Any]]]:
    """Start the workers for the sleeves or trials that are not complete, and yield a factory for their task runner.

    Entering returns at once, while Ray starts; the factory waits for it. If nothing is left to run, nothing is started.
    With ``runner = "auto"`` local processes replace a Ray of this machine that does not start; a line on
    standard error and the run's events report it.

    Args:
        record: The meta run, or the sweep.
        server: The API server, whose settings are in the environment.
        tag: What all task runs of this execution carry.

    Raises:
        InfrastructureError: From what is yielded: if Ray cannot be used, or its workers could not reach the server, or
            have other versions than this process.
    """
    chosen = record.header.settings["execution"]
    if chosen["runner"] == "local" or not record.due():
        yield lambda: _processes(chosen["workers"])
        return
    with suppress(InfrastructureError):  # comes again where it is looked at
        ray_cluster.imported()  # here, since two threads that import much at once can meet half-made modules
    names = frozenset(task_name(record, part) for part in record.due())
    with InBackground(_ray(record, server)) as starting:
        in_use = _RayInUse(starting, tag, names)
        token = _in_use.set(in_use)
        try:
            yield lambda: _on_ray_or_without(starting, record, server)
        finally:
            _in_use.reset(token)
            in_use.wait()


def stop_workers() -> None:
    """Stop the workers of this flow: Ray ends while the run's own stages run."""
    if in_use := _in_use.get():
        in_use.stop_workers()


class _RayInUse:
    """The Ray that is at work, and how it is stopped.

    Args:
        ray: The Ray.
        tag: What the task runs carry.
        names: The names of the task runs that its workers do.
    """

    def __init__(self, ray: InBackground[Cluster], tag: str, names: Collection[str]) -> None:
        self._ray, self._tag, self._names = ray, tag, names
        self._leaving: threading.Thread | None = None

    def stop_workers(self) -> None:
        """Stop the Ray once the API has received the last events of its workers; return at once."""
        self._leaving = threading.Thread(target=copy_context().run, args=(self._leave,), daemon=True)
        self._leaving.start()

    def wait(self) -> None:
        """Wait until it has stopped, if ``stop_workers`` was called."""
        if self._leaving:
            self._leaving.join()

    def _leave(self) -> None:
        from quantflow.flows.watch import settle  # with Prefect, which is being imported while Ray starts

        try:
            settle(self._tag, self._names)
        finally:
            self._ray.leave()


@contextmanager
def _ray(record: Run, server: ApiServer) -> Iterator[Cluster]:
    chosen = record.header.settings["execution"]
    due = len(record.due())
    wheels = ray_wheels.found(chosen.get("ray_wheels", ()), record.workspace)
    with ray_cluster.cluster(chosen["ray_address"], chosen["workers"], server.environment, wheels) as found:
        if found.started:
            ray_cluster.warm(min(found.cpus, due), NEEDED)
        yield found


def _on_ray_or_without(starting: InBackground[Cluster], record: Run, server: ApiServer) -> TaskRunner[Any]:
    import skfolio  # noqa: F401  # what the portfolio's own stages need, while there is nothing to do but wait

    chosen = record.header.settings["execution"]
    try:
        return _on_ray(starting.result(), record, server)
    except InfrastructureError as error:
        if chosen["runner"] != "auto" or chosen["ray_address"]:
            raise
        record.event("ray.replaced", message=error.message)
        sys.stderr.write(f"warning: {error.message} The work is done in processes of this machine instead.\n")
        return _processes(chosen["workers"])


def _on_ray(found: Cluster, record: Run, server: ApiServer) -> TaskRunner[Any]:
    from prefect_ray import RayTaskRunner

    if server.embedded and ray_cluster.spans_machines():
        raise InfrastructureError(
            "The Ray cluster has nodes on other machines, which cannot reach this workspace's own API server.",
            hint="Set PREFECT_API_URL to a server that all nodes reach; the workspace must be a shared folder.",
        )
    if not found.started:
        refuse_unfit_nodes(record)
    runner: TaskRunner[Any] = RayTaskRunner()
    return runner


def task_name(record: Run, part: Part) -> str:
    """Return the name of the task run that does a part of a run: a sleeve, or a trial."""
    return f"{'trial' if isinstance(record, Sweep) else 'sleeve'} {part.name}"


def _processes(workers: int | None) -> TaskRunner[Any]:
    from prefect.task_runners import ProcessPoolTaskRunner

    return ProcessPoolTaskRunner(max_workers=workers, initializer=begin_work)
