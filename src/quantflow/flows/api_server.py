"""The process of the embedded API server: it serves while anybody uses it, and ends by itself when nobody does.

Run as ``python -m quantflow.flows.api_server FD USERS``: the number of an inherited, listening socket, and
the file that every user holds a shared lock on. A user that is killed loses its lock, so no server is orphaned.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import threading
import time
from typing import Any

POLL_SECONDS = 0.25


def main() -> None:
    """Serve on the inherited socket until no user is left, or until SIGTERM."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=_end_when_unused, args=(sys.argv[2],), daemon=True).start()

    import uvicorn
    from prefect.server.api.server import create_app

    _let_writers_wait()
    app = create_app(final=True)
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


def _end_when_unused(users: str) -> None:
    """Stop this process once the users' lock can be had; keep it, so that a newcomer waits for the end."""
    fd = os.open(users, os.O_RDWR)
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(POLL_SECONDS)
        else:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
            os._exit(1)


if __name__ == "__main__":
    main()
