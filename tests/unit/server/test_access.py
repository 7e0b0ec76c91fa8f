"""How quantflow itself asks a configured server: with the trust that Prefect's clients have."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from quantflow.errors import ConfigError, InfrastructureError
from quantflow.server import server, url
from quantflow.server.url import Access, trouble_at


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[str, Path, list[int]]]:
    """The URL of a server behind TLS, the file of its authority, and the status that it answers, to be changed."""
    statuses = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses[0])
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    authority, file = trustme.CA(), tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"https://localhost:{listening.server_port}/api", file, statuses
    listening.shutdown()
    listening.server_close()


def test_an_authority_of_its_own_is_trusted_where_it_is_named(
    secure: tuple[str, Path, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Prefect's settings, as is a server whose certificate is not to be checked; otherwise the hint names them."""
    address, file, _ = secure
    for access in (Access(address, str(file)), Access(address, checked=False)):
        monkeypatch.setattr(url, "configured_access", lambda access=access: access)
        assert trouble_at(address) == ""
    monkeypatch.setattr(url, "configured_access", lambda: Access(address))
    assert trouble_at(address) == "its certificate is not trusted (unable to get local issuer certificate)"
    with pytest.raises(InfrastructureError, match="its certificate is not trusted") as refused:
        server._check_answers(address)
    assert "PREFECT_API_SSL_CERT_FILE" in str(refused.value.hint)
    monkeypatch.setattr(url, "configured_access", lambda: Access(address, "/nowhere.pem"))
    with pytest.raises(ConfigError, match=r"in /nowhere\.pem cannot be used: No such file"):
        trouble_at(address)


@pytest.mark.parametrize(
    ("status", "cloud", "trouble"),
    [(401, False, ""), (403, False, ""), (404, True, ""), (404, False, "HTTP 404 Not Found"), (503, True, "HTTP 503")],
)
def test_a_server_that_asks_who_is_there_answers(
    status: int, cloud: bool, trouble: str, secure: tuple[str, Path, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger is refused by many; and Prefect Cloud need not know the question."""
    address, file, statuses = secure
    statuses[0] = status
    monkeypatch.setattr(url, "configured_access", lambda: Access(address, str(file), cloud=cloud))
    assert trouble_at(address).startswith(trouble)
    assert bool(trouble_at(address)) is bool(trouble)
