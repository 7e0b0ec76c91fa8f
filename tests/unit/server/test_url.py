"""An API server's address may hold a password: it is used, and never shown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from quantflow.errors import InfrastructureError
from quantflow.server.server import api_server
from quantflow.server.url import first_line, trouble_at

SECRET = "s3cr3t"


@pytest.fixture
def answering() -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
    """The host and port of a server, and its answer, which may be changed."""
    said = [(200, b"true")]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = said[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", said
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("password", [SECRET, f"{SECRET}%40x", f"{SECRET}ü"])
def test_a_refusal_does_not_show_the_password(
    password: str, answering: tuple[str, list[tuple[int, bytes]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the words of quantflow nor in those of the library, and in one line."""
    place, said = answering
    monkeypatch.setenv("PREFECT_API_URL", f"http://bob:{password}@{place}/api")
    with api_server(tmp_path) as server:
        assert password in server.url
    said[0] = (404, b"")
    with pytest.raises(InfrastructureError) as refused, api_server(tmp_path):
        pass
    assert refused.value.message == (
        f"The API server at http://{place}/api (PREFECT_API_URL) does not answer: HTTP 404 Not Found."
    )


def test_an_error_of_the_client_is_told_without_the_password() -> None:
    """The library puts the address into its text, over several lines."""
    request = httpx.Request("GET", f"http://bob:{SECRET}@host/api/health")
    with pytest.raises(httpx.HTTPStatusError, match=SECRET) as raised:
        httpx.Response(500, request=request).raise_for_status()
    told = first_line(raised.value)
    assert (SECRET in told, "\n" in told, "http://***@host/api/health" in told) == (False, False, True)
    assert first_line(TimeoutError()) == "TimeoutError"


def test_what_is_wrong_with_an_address_is_told(answering: tuple[str, list[tuple[int, bytes]]]) -> None:
    """Nothing listens; what stands there is no URL, or leads to the UI; with a user and a password all goes well."""
    place, said = answering
    assert trouble_at(f"http://bob:{SECRET}@{place}/api/") == ""
    assert "refused" in trouble_at(f"http://bob:{SECRET}@127.0.0.1:9/api")
    assert trouble_at(f"http://bob:{SECRET}/x@host/api") == "this is not a URL"
    said[0] = (200, b"<!doctype html>")
    assert "/api" in trouble_at(f"http://{place}")
