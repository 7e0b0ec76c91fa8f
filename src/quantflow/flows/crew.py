"""Who runs the sleeves of a meta run: Ray or processes. Imports no Prefect: Ray starts while that is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from quantflow.errors import InfrastructureError
from quantflow.execution import ray as ray_cluster
from quantflow.execution.background import InBackground
from quantflow.execution.kept_ray import handed_over, lent_head
from quantflow.execution.ray import Cluster
from quantflow.flows.server import ApiServer
from quantflow.runs.record import RunRecord
from quantflow.runs.sleeves import due

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

NEEDED_BY_SLEEVES = ("quantflow.flows.meta", "quantflow.stages.validation", "skfolio", "numba", "pyarrow.parquet")
"""What every worker of a Ray that is started imports at once, while the flow run is made known to the API."""

_crew: ContextVar[InBackground[Cluster] | None] = ContextVar("crew", default=None)


@contextmanager
def crew(record: RunRecord, server: ApiServer) -> Iterator[Callable[[], TaskRunner[Any]]]:
    """Have those who will run the sleeves of a meta run that are not complete; yield what gives their task runner.

    Entering returns at once, while Ray starts; the task runner can be had once it is up. Where no sleeve is left to
    be run, nothing is started.

    Args:
        record: The meta run.
        server: The API server, whose settings are in the environment.

    Raises:
        InfrastructureError: From what is yielded: if Ray cannot be used, or its workers could not reach the server.
    """
    chosen = record.header["settings"]["execution"]
    if chosen["runner"] == "local" or not due(record):
        yield lambda: _processes(chosen["workers"])
        return
    import ray  # noqa: F401  # here, since two threads that import much at once can meet half-made modules

    with InBackground(_ray(record, server)) as starting:
        token = _crew.set(starting)
        try:
            yield lambda: _on_ray(starting, server)
        finally:
            _crew.reset(token)


def dismiss() -> None:
    """Let those go who have run the sleeves of this flow: Ray ends while the portfolio is made."""
    if at_work := _crew.get():
        at_work.leave()


def lacking() -> dict[str, str]:
    """Return what the workers lack of this process's environment, credentials among it: those of a kept Ray alone."""
    at_work = _crew.get()
    return handed_over() if at_work and at_work.result().kept else {}


@contextmanager
def _ray(record: RunRecord, server: ApiServer) -> Iterator[Cluster]:
    chosen = record.header["settings"]["execution"]
    address, workers = chosen["ray_address"], chosen["workers"]
    with (
        nullcontext() if address else lent_head(record.workspace, workers) as kept,
        ray_cluster.cluster(address, workers, server.environment, kept) as found,
    ):
        if found.started or found.kept:
            ray_cluster.warm(min(found.cpus, len(due(record))), NEEDED_BY_SLEEVES)
        yield found


def _on_ray(starting: InBackground[Cluster], server: ApiServer) -> TaskRunner[Any]:
    import skfolio  # noqa: F401  # what the portfolio's own stages need, while there is nothing to do but wait
    from prefect_ray import RayTaskRunner

    starting.result()
    if server.embedded and ray_cluster.spans_machines():
        raise InfrastructureError(
            "The Ray cluster has nodes on other machines, which cannot reach this workspace's own API server.",
            hint="Set PREFECT_API_URL to a server that all nodes reach; the workspace must be a shared folder.",
        )
    runner: TaskRunner[Any] = RayTaskRunner()
    return runner


def _processes(workers: int | None) -> TaskRunner[Any]:
    from prefect.task_runners import ProcessPoolTaskRunner

    return ProcessPoolTaskRunner(max_workers=workers)
