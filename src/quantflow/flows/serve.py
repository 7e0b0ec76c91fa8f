"""``quantflow serve``: a Prefect deployment per scheduled profile, and the runner that runs what is due."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from quantflow.config.credentials import without_credentials
from quantflow.errors import ConfigError, InfrastructureError
from quantflow.ops.schedule import Time
from quantflow.runs import stopping
from quantflow.server.prefect_internals import api_errors, leave_signals_alone, next_of
from quantflow.server.server import ApiServer
from quantflow.server.url import first_line, without_secrets

TAG = "quantflow"
START_SECONDS = 60.0
Plan = Mapping[str, tuple[Time, ...]]


def next_times(plan: Plan) -> dict[str, datetime]:
    """Return when each profile runs next, in the time zone of its schedule.

    Args:
        plan: The times of each profile, by name.

    Raises:
        ConfigError: If a cron line or a time zone cannot be read.
    """
    return {name: min(_next(name, time) for time in times) for name, times in plan.items()}


def _next(name: str, time: Time) -> datetime:
    try:
        return asyncio.run(next_of(time.cron, time.zone))
    except ValueError as error:
        raise ConfigError(
            f"{name}: schedule.cron {time.cron!r} in {time.zone} is no time that ever comes.",
            hint='Write it as a crontab\'s five fields: minute, hour, day, month, weekday, as "30 18 * * 1-5".',
        ) from error


def deployment_name(home: Path, profile: str) -> str:
    """Return a deployment's name: the profile, and what tells its workspace from all others of a shared server."""
    return f"{profile} in {home.name}-{hashlib.sha256(_place(home).encode()).hexdigest()[:6]}"


def _place(home: Path) -> str:
    return f"{socket.gethostname()}:{home}"


def serve(home: Path, plan: Plan, server: ApiServer, ready: Callable[[], None]) -> int:
    """Run what is due until SIGINT or SIGTERM; a run that goes on then is interrupted, and can be resumed.

    Args:
        home: The workspace, an absolute path.
        plan: The times of each profile, by name.
        server: The API server, with a scheduler.
        ready: Called once all is registered and runs can come.

    Returns:
        The signal's number.

    Raises:
        InfrastructureError: If the API server refuses, or goes away.
    """
    logger = logging.getLogger("prefect.runner")
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_Short("warning: %(message)s"))
    logger.addHandler(handler)
    try:
        wanted = [_deployment(home, name, times) for name, times in plan.items()]
        return asyncio.run(_serve(home, wanted, ready))
    except Exception as error:  # what is not the API's goes on up
        if (cause := _api_error(error)) is None:
            raise
        raise InfrastructureError(
            f"The API server at {without_secrets(server.url)} does not do as asked: {first_line(cause).rstrip('.')}."
        ) from error
    finally:
        logger.removeHandler(handler)
        stopping.reclaim()


def _api_error(error: Exception) -> Exception | None:
    """Return what went wrong with the API server, the first thing if several did; None if it is something else."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    kinds = (*api_errors(), RuntimeError, ConnectionError, TimeoutError)
    return error if isinstance(error, kinds) else None


class _Short(logging.Formatter):
    """Log lines without tracebacks, which are in the server's log, and without credentials."""

    def format(self, record: logging.LogRecord) -> str:
        record.exc_info = record.exc_text = None
        return without_credentials(super().format(record))


async def _serve(home: Path, wanted: Sequence[Mapping[str, Any]], ready: Callable[[], None]) -> int:
    from prefect.runner import Runner

    limit = 2 * len(wanted)  # of each one that runs, and one that finds so: firings do not pile up
    runner = Runner(name=f"{TAG} {home.name}", pause_on_shutdown=True, limit=limit)
    await _clear(home, {options["name"] for options in wanted})
    for options in wanted:  # flows of this process: what runs is not for the server to say
        await runner.add_flow(**options)  # type: ignore[misc]
    stopped = _on_signal()
    leave_signals_alone(runner)
    work: asyncio.Future[Any] = asyncio.ensure_future(runner.start())
    await _until_started(runner, work)
    ready()
    await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        await _refuse_ended(work)
    await runner.stop()  # type: ignore[misc]
    await work
    return stopped.result()


async def _until_started(runner: Any, work: asyncio.Future[Any]) -> None:
    until = time.monotonic() + START_SECONDS
    while not runner.started:
        if work.done():
            await _refuse_ended(work)
        if time.monotonic() > until:
            raise TimeoutError(f"the runner has not started within {START_SECONDS:.0f} s")
        await asyncio.sleep(0.05)


async def _refuse_ended(work: asyncio.Future[Any]) -> None:
    await work
    raise RuntimeError("the runner has ended by itself")


def _on_signal() -> asyncio.Future[int]:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(number: int) -> None:
        if not stopped.done():
            stopped.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, int(number))
    return stopped


async def _clear(home: Path, wanted: set[str]) -> None:
    """Delete the workspace's deployments of former times, and of the others the runs that were due meanwhile."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    mine = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG, f"workspace:{_place(home)}"]))
    async with get_client() as client:
        for found in await client.read_deployments(deployment_filter=mine):
            if found.name in wanted:
                await client.pause_deployment(found.id)
            else:
                await client.delete_deployment(found.id)


def _deployment(home: Path, profile: str, times: tuple[Time, ...]) -> dict[str, Any]:
    """Return what the runner is to register of a profile."""
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from quantflow.flows.scheduled import scheduled_run

    return {
        "flow": scheduled_run,
        "name": deployment_name(home, profile),
        "parameters": {"profile": profile, "workspace": str(home)},
        "schedules": [Cron(time.cron, timezone=time.zone) for time in times],
        "paused": False,
        "tags": [TAG, f"profile:{profile}", f"workspace:{_place(home)}"],
        "description": f"Runs {profile} of {home} at {' and '.join(time.said for time in times)}.",
        "entrypoint_type": EntrypointType.MODULE_PATH,
    }
