"""What all tests share: a clean environment, and one API server for those that need one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hypothesis
import pytest

from processes import api_of, run_cli, shown_to
from quantflow.server.server import ApiServer, api_server

hypothesis.settings.register_profile("quantflow", deadline=None)  # a busy machine is no fault of the code
hypothesis.settings.load_profile("quantflow")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's own reaches a test."""
    for name in [name for name in os.environ if name.startswith("QUANTFLOW_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One real API server for the whole session; runs in and below this process use it as an external one."""
    home = tmp_path_factory.mktemp("server")
    names = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_HOME")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ["PREFECT_HOME"] = str(home)
    with api_server(home) as found:
        with api_of(found) as client:
            client.get("/health", timeout=90).raise_for_status()
        os.environ.update(shown_to(found))
        from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

        with temporary_settings({PREFECT_API_URL: found.url, PREFECT_API_AUTH_STRING: found.credential}):
            yield found
        for name in names:
            os.environ.pop(name)
    os.environ.update({name: value for name, value in before.items() if value is not None})


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace."""
    return tmp_path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the demo has run once, undisturbed, with its own embedded API server."""
    home = tmp_path_factory.mktemp("prepared")
    found = run_cli("select", "-p", "demo", "--run-id", "undisturbed", cwd=home)
    assert found.returncode == 0, found.stderr
    return home


@pytest.fixture
def fresh(workspace: Path) -> Path:
    """An empty workspace, in which a server of its own starts on a copy of a migrated database."""
    return workspace


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
