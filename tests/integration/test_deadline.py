"""A run that is to end at a time ends then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from processes import run_cli


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A health check on this machine: its address, and the paths it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/uuid", paths
    server.shutdown()
    server.server_close()


def test_a_run_ends_at_its_deadline_and_can_be_resumed(fresh: Path, asked: tuple[str, list[str]]) -> None:
    """Exit code 143, the deadline and the resume command on stderr, and the health check told."""
    ended = run_cli("select", "-p", "demo", "--deadline", "2s", "--ping", asked[0], cwd=fresh)
    assert ended.returncode == 143, ended.stderr
    assert "the deadline, 2s, has passed: interrupting the run" in ended.stderr
    assert asked[1] == ["/uuid/start", "/uuid/fail"]
    assert "Traceback" not in ended.stderr
