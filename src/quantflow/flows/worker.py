"""What a sleeve needs around it where it runs: its lock, its log, and its last events to the API."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantflow.config.credentials import scrubbed_logs
from quantflow.data.store import write_trouble
from quantflow.errors import InfrastructureError, last_line, said, shortened
from quantflow.flows.observe import observe
from quantflow.review.logs import WHOLE_RUN
from quantflow.runs import stopping
from quantflow.runs.lock import owned
from quantflow.runs.recall import recall
from quantflow.runs.record import FAILED, INTERRUPTED
from quantflow.runs.run import Run
from quantflow.server.prefect_internals import flush, set_up_logging


def error_facts(error: BaseException) -> dict[str, str | None]:
    """Return what a run's record says of the error that ended it."""
    hint = getattr(error, "hint", None)
    return {
        "error": type(error).__name__,
        "message": shortened(said(error), 500),
        "hint": hint and shortened(str(hint), 500),
    }


def tags_of(record: Run) -> tuple[str, ...]:
    """Return the tags by which people find the run's flow run and task runs in Prefect."""
    return f"run:{record.id}", f"profile:{record.profile}", f"as-of:{record.as_of}"


@contextmanager
def working_on(record: Run) -> Iterator[None]:
    """Own a run, log into its folder, write down how it ended, and tell the API all before returning."""
    recall(record)
    with owned(record.folder), logged(record):
        record.sweep()
        record.event("run.started")
        try:
            yield
        except BaseException as error:  # a signal ends a run as well as an error does; both are written down
            if isinstance(error, Exception) and stopping.received() is None:
                record.event(FAILED, **error_facts(error))
            else:
                record.event(INTERRUPTED)
            logging.getLogger("prefect").exception("run %s failed", record.id)
            raise
        else:
            record.event("run.completed")
        finally:
            flush()
            observe(record.again())


class LogLines(logging.Formatter):
    """The lines of ``log.txt``: each names its stage, or ``run`` where it is of none."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line, and the lines of its traceback."""
        record.stage = str(getattr(record, "task_run_name", None) or WHOLE_RUN).split(" ")[0]
        return super().format(record)


@contextmanager
def logged(record: Run) -> Iterator[None]:
    """Send Prefect's log lines and whatever is printed to the run's ``log.txt``: the terminal is the view's."""
    set_up_logging()
    with scrubbed_logs(), (record.folder / "log.txt").open("a", buffering=1) as file:
        handler = logging.StreamHandler(file)
        handler.setFormatter(LogLines("%(asctime)s %(levelname)s %(stage)s %(message)s"))
        logger = logging.getLogger("prefect")
        before, logger.propagate = logger.propagate, False
        complains, logging.raiseExceptions = logging.raiseExceptions, False  # of an API that takes no log lines
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.propagate, logging.raiseExceptions = before, complains


def api_lost(cause: object, workspace: Path) -> InfrastructureError:
    """Return the error for a run whose API server does not do its part: the disk's, if it is full, or the server's.

    Args:
        cause: What the client raised, or said.
        workspace: The folder that holds the run, and the server's database.
    """
    if trouble := write_trouble(workspace):
        return InfrastructureError(
            f"{workspace} cannot be written: {trouble}.",
            hint="Free space, then resume the run: what is complete is kept.",
        )
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status in (401, 403):
        return InfrastructureError(
            f"The API server refuses this client (HTTP {status}).",
            hint="Set PREFECT_API_AUTH_STRING, or PREFECT_API_KEY, as the server wants it, then resume the run.",
        )
    return InfrastructureError(
        f"The API server does not answer: {last_line(cause if isinstance(cause, BaseException) else str(cause))}",
        hint="What is complete is kept: resume the run. If it happens again, look at .quantflow/server/server.log.",
    )
