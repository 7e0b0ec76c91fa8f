"""The process of the embedded API server: it serves while anybody uses it, and ends by itself when nobody does.

Run as ``python -m quantflow.server.process FD HOME``: the number of an inherited, listening socket, and the folder
that tells of its users.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from quantflow.execution.garbage import look_seldom
from quantflow.server.keeping import wait_until_unused
from quantflow.server.own_requests import OwnRequestsOnly

FLUSH_SECONDS = 0.2


def main() -> None:
    """Serve on the inherited socket until no user is left, or until SIGTERM."""
    os.umask(0o077)  # its database and its log hold what runs are about
    look_seldom()
    listener = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=_end_when_unused, args=(Path(sys.argv[2]),), daemon=True).start()

    import uvicorn
    from prefect.server.api.server import create_app

    _let_writers_wait()
    _record_promptly()
    app = OwnRequestsOnly(create_app(final=True), listener.getsockname()[1])
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, timeout_keep_alive=30)
    uvicorn.Server(config).run(sockets=[listener])


def _let_writers_wait() -> None:
    """Begin each write transaction with the write lock, so that SQLite's busy timeout applies.

    A transaction that reads first and then wants to write fails at once when another has written in between; with
    several workers reporting at a time, clients would see 503s.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_immediate(self: Any, session: Any, with_for_update: bool = True) -> Any:
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_immediate  # type: ignore[method-assign]


def _record_promptly() -> None:
    """Write task runs' states into the database several times a second: a run's end waits for its last ones.

    Prefect's own setting knows whole seconds only.
    """
    from prefect.server.services import task_run_recorder

    consumer = task_run_recorder.consumer

    def prompt_consumer(write_batch_size: int, flush_every: float, **options: Any) -> Any:
        return consumer(write_batch_size=write_batch_size, flush_every=FLUSH_SECONDS, **options)  # type: ignore[arg-type]

    task_run_recorder.consumer = prompt_consumer  # type: ignore[assignment]


def _end_when_unused(home: Path) -> None:
    wait_until_unused(home)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    os._exit(1)


if __name__ == "__main__":
    main()
