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

from quantflow.execution.garbage import relax_gc
from quantflow.server.database import prepare_database
from quantflow.server.keeping import wait_until_unused
from quantflow.server.own_requests import OwnRequestsOnly
from quantflow.server.prefect_internals import server_app


def main() -> None:
    """Serve on the inherited socket until no user is left, or until SIGTERM."""
    os.umask(0o077)  # its database and its log hold what runs are about
    relax_gc()
    listener = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=_end_when_unused, args=(Path(sys.argv[2]),), daemon=True).start()

    import uvicorn

    prepare_database(Path(sys.argv[2]))
    app = OwnRequestsOnly(server_app(), listener.getsockname()[1])
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, timeout_keep_alive=30)
    uvicorn.Server(config).run(sockets=[listener])


def _end_when_unused(home: Path) -> None:
    wait_until_unused(home)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    os._exit(1)


if __name__ == "__main__":
    main()
