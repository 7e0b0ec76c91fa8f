"""Who may use an API server that quantflow starts: its owner's own clients, and nobody else on the machine."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from processes import SMALL, api_of, bare_environment, own_server, run_cli
from quantflow.runs.record import RunRecord
from quantflow.server.server import ApiServer, running

NOBODY = 65534
SOCKETS = ("/events/in", "/events/out", "/logs/out", "/task_runs/subscriptions/scheduled")
PROFILE = """
[profiles.often]
extends = "demo"
schedule = { cron = "0 3 1 1 *" }
"""


def as_another_user(ask: Callable[[], Any]) -> Any:
    """What *ask* returns (JSON values) in a process of a user who is not this one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, json.dumps(ask()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(said)


def answered(server: ApiServer, method: str, path: str, headers: dict[str, str] | None = None) -> int:
    """The status of one request without credential, or with what *headers* say."""
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(place.hostname), int(place.port or 0), timeout=20)
    connection.request(method, f"{place.path}{path}", b"{}", {"content-type": "application/json", **(headers or {})})
    return connection.getresponse().status


def shaken(server: ApiServer, path: str, **options: Any) -> str:
    """What becomes of a websocket that claims to be a client of Prefect's and shows a wrong credential."""
    try:
        with connect(server.url.replace("http", "ws", 1) + path, subprotocols=["prefect"], **options) as socket:
            socket.send(json.dumps({"type": "auth", "token": "quantflow:wrong"}))
            socket.recv(timeout=20)
    except InvalidStatus as refused:
        return str(refused.response.status_code)
    except ConnectionClosed as closed:
        return str(closed.rcvd.code if closed.rcvd else "closed")
    return "let in"


def basic(server: ApiServer) -> dict[str, str]:
    """The header that the server's own clients send."""
    return {"authorization": f"Basic {base64.b64encode(str(server.credential).encode()).decode()}"}


def calls_that_change(server: ApiServer) -> list[tuple[str, str]]:
    """Every state-changing call of the API, by its own description."""
    with api_of(server) as client:
        paths = client.get("/openapi.json").raise_for_status().json()["paths"]
    filled = {
        re.sub(r"\{[^}]*\}", "2dcd9f27-6bb8-4fd4-9a6a-6a0b9ffb7c29", path): calls for path, calls in paths.items()
    }
    return sorted((method.upper(), path) for path, calls in filled.items() for method in calls if method != "get")


@contextmanager
def of_a_kept_server(home: Path) -> Iterator[None]:
    """``quantflow server start``."""
    assert run_cli("server", "start", cwd=home).returncode == 0
    try:
        yield
    finally:
        run_cli("server", "stop", cwd=home)


@contextmanager
def of_a_process(home: Path, *arguments: str) -> Iterator[None]:
    """Any other command, for as long as its server answers."""
    command = [sys.executable, "-m", "quantflow", *arguments]
    process = subprocess.Popen(
        command, cwd=home, env=bare_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + 90
        while not _is_up(home):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until, "no server answers"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _is_up(home: Path) -> bool:
    try:
        return answered(own_server(home), "GET", "/health") == 200
    except (AssertionError, OSError):
        return False


STARTERS = {
    "select": lambda home: of_a_process(home, "select", "-p", "demo", "--set", "rebalance.every=monthly"),
    "meta": lambda home: of_a_process(home, "meta", "-m", "demo_meta", "--runner", "local"),
    "serve": lambda home: of_a_process(home, "serve"),
    "server start": of_a_kept_server,
}


@pytest.mark.parametrize("starter", STARTERS)
def test_another_user_changes_nothing_on_any_server(starter: str, fresh: Path) -> None:
    """Every state-changing call and every stream is refused as another uid; a foreign Origin or Host to anyone."""
    if starter == "serve":
        (fresh / "quantflow.toml").write_text(PROFILE)
    with STARTERS[starter](fresh):
        server = own_server(fresh)
        calls = calls_that_change(server)
        assert len(calls) > 100
        assert {("POST", "/deployments/"), ("POST", "/flow_runs/")} <= set(calls)
        statuses = as_another_user(lambda: [answered(server, method, path) for method, path in calls])
        let_in = [call for call, status in zip(calls, statuses, strict=True) if status != 401]
        assert let_in == []
        assert as_another_user(lambda: [shaken(server, path) for path in SOCKETS]) == ["1008"] * len(SOCKETS)
        own = basic(server)
        for name, value in (("origin", "http://evil.example"), ("origin", "null"), ("host", "evil.example")):
            assert answered(server, "POST", "/flows/filter", {**own, name: value}) == 403
        assert shaken(server, "/events/out", origin="http://evil.example") == "403"
        assert answered(server, "POST", "/flows/filter", own) == 200


def test_the_credential_is_in_one_private_file(fresh: Path) -> None:
    """No argument list of any process, no log, record, database or output has it while and after runs use it."""
    overrides = [word for line in SMALL for word in ("--set", line)]
    with of_a_kept_server(fresh):
        server = own_server(fresh)
        secret = str(server.credential).partition(":")[2]
        done = run_cli("select", "-p", "demo", "--run-id", "one", *overrides, cwd=fresh)
        assert done.returncode == 0, done.stderr
        assert [path for path in Path("/proc").glob("[0-9]*/cmdline") if secret in _text(path)] == []
        assert secret not in done.stdout + done.stderr + run_cli("server", "show", "--json", cwd=fresh).stdout
        having = [path for path in fresh.rglob("*") if path.is_file() and secret in _text(path)]
        assert [path.name for path in having] == ["state.json"]
        assert stat.S_IMODE(having[0].stat().st_mode) == 0o600
        assert RunRecord(fresh, "one").header.flow_runs


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("latin-1")
    except OSError:  # a process that has ended
        return ""


def test_a_run_uses_the_own_server_also_when_its_address_is_in_the_environment(fresh: Path) -> None:
    """Who has exported the address of the workspace's own server needs no credential beside it."""
    overrides = [word for line in SMALL for word in ("--set", line)]
    with of_a_kept_server(fresh):
        command = [sys.executable, "-m", "quantflow", "select", "-p", "demo", "--no-progress", *overrides]
        environment = {**bare_environment(), "PREFECT_API_URL": own_server(fresh).url}
        done = subprocess.run(command, cwd=fresh, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:///{place}/theirs.db"},
        {"PREFECT_CLIENT_CUSTOM_HEADERS": '{{"Authorization": "Basic Zm9v", "Host": "evil.example"}}'},
        {"PREFECT_SERVER_API_BASE_PATH": "/foo/api", "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true"},
    ],
)
def test_settings_of_another_server_do_not_reach_the_own_one(
    variables: dict[str, str], fresh: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A database, headers, a path that the user has set for a team's server: none is touched, and the run completes."""
    place = tmp_path_factory.mktemp("theirs")
    overrides = [word for line in SMALL for word in ("--set", line)]
    command = [sys.executable, "-m", "quantflow", "select", "-p", "demo", "--no-progress", *overrides]
    environment = {**bare_environment(), **{name: value.format(place=place) for name, value in variables.items()}}
    done = subprocess.run(command, cwd=fresh, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(place.iterdir()) == []


def test_what_another_user_has_left_in_the_servers_folder_is_not_believed(fresh: Path) -> None:
    """Nor a folder that others may write, nor a state that names a process of theirs: Prefect reads settings there."""
    home = fresh / ".quantflow" / "server"
    home.mkdir(parents=True, mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    refused = run_cli("select", "-p", "demo", "--workspace", str(fresh), cwd=fresh)
    assert refused.returncode == 30, refused.stderr
    assert f"{home} belongs to nobody" in refused.stderr
    os.chown(home, 0, 0)
    home.chmod(0o777)
    assert "any user may change" in run_cli("server", "start", "--workspace", str(fresh), cwd=fresh).stderr
    home.chmod(0o700)
    (home / "state.json").write_text(json.dumps({"pid": os.getpid(), "port": 1, "url": "x", "credential": "a:b"}))
    os.chown(home / "state.json", NOBODY, NOBODY)
    assert running(home) is None
