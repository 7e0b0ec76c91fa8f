"""The page over HTTP, for this machine's user alone: on loopback, below an address that nobody else knows."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

from quantflow.errors import QuantflowError
from quantflow.runs.exports import FILES
from quantflow.ui.site.build import build
from quantflow.ui.site.signature import workspace_mark

HOST = "127.0.0.1"
NAP_SECONDS = 2.0
NAPS_WHILE_RUNNING = 5
"""After so many naps a run at work is looked at again: one that was killed has written nothing."""
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True)
class Served:
    """What is served, and nothing else.

    Attributes:
        site: The page's folder: its ``.html``, ``.css`` and ``.js`` files.
        runs: The folder of the runs: what is exported of each, such as its report.
    """

    site: Path
    runs: Path

    def find(self, path: str) -> Path | None:
        """Return the file at a path below the token, ``site/index.html`` or ``runs/ID/report.html``; None if none."""
        root, _, inner = path.partition("/")
        parts = inner.split("/")
        if any(part in ("", ".", "..") or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
            return None
        if root == "site" and Path(inner).suffix in (".html", ".js", ".css"):
            return _inside(self.site, inner)
        if root == "runs" and len(parts) == 2 and parts[1] in FILES.values():
            return _inside(self.runs, inner)
        return None


def _inside(folder: Path, inner: str) -> Path | None:
    """Return the file, unless it is none or a link leads out of the folder."""
    found = (folder / inner).resolve()
    return found if found.is_relative_to(folder.resolve()) and found.is_file() else None


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD for the files of ``served`` below the token; anything else is not found.

    Args:
        served: What is served.
        token: The first part of every path.
        given: What the server hands over.
    """

    server_version, sys_version = "quantflow", ""
    timeout = 30

    def __init__(self, served: Served, token: str, *given: object) -> None:
        self._served, self._token = served, token
        super().__init__(*given)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Send a file."""
        if (file := self._found()) is None:
            return
        data = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", TYPES[file.suffix])
        self.send_header("Content-Length", str(len(data)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def do_HEAD(self) -> None:
        """Send what a GET would, without the file."""
        self.do_GET()

    def _found(self) -> Path | None:
        """Return the file that is asked for; where there is none, or another site asks, say so and return None."""
        port = self.connection.getsockname()[1]
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            self.send_error(403, "Forbidden")  # a name that another site has pointed at this machine
            return None
        token, _, path = unquote(urlsplit(self.path).path).removeprefix("/").partition("/")
        known = secrets.compare_digest(token.encode(errors="replace"), self._token.encode())
        file = self._served.find(path) if known else None
        if file is None:
            self.send_error(404, "Not Found")
        return file

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: an address in a log would let in all who read it."""


@contextmanager
def serving(served: Served) -> Iterator[str]:
    """Serve until the block ends; yield the address of the page, which has a random part."""
    token = secrets.token_urlsafe(24)
    server = ThreadingHTTPServer((HOST, 0), partial(_Handler, served, token))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/{token}/site/index.html"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def keep_fresh(
    workspace: Path, folder: Path, mark: str, tell: Callable[[str], None], nap: Callable[[float], None] = time.sleep
) -> None:
    """Write the page again whenever the workspace changes, until a signal ends it.

    Args:
        workspace: Where the runs are.
        folder: The page's.
        mark: What ``workspace_mark`` was before the page was written.
        tell: Called with why a page could not be written; it is tried again after the next change.
        nap: Waits for some seconds.
    """
    running, naps = 1, 0  # as if one were at work, until it is known
    while True:
        nap(NAP_SECONDS)
        naps += 1
        now = workspace_mark(workspace)
        if now == mark and not (running and naps >= NAPS_WHILE_RUNNING):
            continue
        mark, naps = now, 0
        try:
            running = build(workspace, folder).running
        except QuantflowError as error:
            tell(error.message)
