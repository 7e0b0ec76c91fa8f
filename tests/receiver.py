"""A web server of this machine that takes what is posted to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What came in.

    Attributes:
        address: Where it listens, as Apprise has it.
        posts: The documents that were posted, in order.
        paths: Where each was posted to.
    """

    address: str
    posts: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """The titles of what came in."""
        return [post["title"] for post in self.posts]


@contextmanager
def receiving(status: int = 200, *, answers: bool = True) -> Iterator[Receiver]:
    """Listen on a free port of this machine until the block ends; answer with *status*, or not at all."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if not answers:
                ended.wait(60)
                return
            body = self.rfile.read(int(self.headers["content-length"]))
            found.posts.append(json.loads(body))
            found.paths.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Receiver(f"json://127.0.0.1:{server.server_port}/s3cret-path")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield found
        finally:
            ended.set()
            server.shutdown()
            thread.join()
