"""Which Prefect API server a run uses, and the life of the workspace's own. Imports no Prefect: it starts before it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, TypeAlias

from quantflow.config.workspaces import fault_at
from quantflow.data.store import private_folder, write_atomic
from quantflow.errors import InfrastructureError
from quantflow.locks import FileLock
from quantflow.server.keeping import keep, named
from quantflow.server.proxies import refuse_unusable_proxy, without_proxy
from quantflow.server.url import UNTRUSTED, configured_url, trouble_at, without_secrets

SERVER_ENVIRONMENT: Mapping[str, str] = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_API_SERVICES_FLOW_RUN_NOTIFICATIONS_ENABLED": "false",
    # The recorder writes task-run states; one by one it lags tens of seconds behind a wide run.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
}
"""Settings of an embedded server."""

_SERVICES = "SCHEDULER,LATE_RUNS,FOREMAN,TRIGGERS,PAUSE_EXPIRATIONS,CANCELLATION_CLEANUP,REPOSSESSOR,EVENT_PERSISTER"
SCHEDULING = tuple(f"PREFECT_SERVER_SERVICES_{service}_ENABLED" for service in _SERVICES.split(","))
"""Its services that schedule, notify, or keep events for those: off for runs that exist, on for ``quantflow serve``."""
BLOCKS = ("PREFECT_API_BLOCKS_REGISTER_ON_START", "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION")
"""Prefect's kinds of blocks, which nothing but notifications of what is scheduled uses: a second of a first start."""
SWAP_SECONDS = 10.0  # for a server without what is wanted to end


class Part(StrEnum):
    """What an embedded server has only where it is asked for, since it makes each start slower."""

    SCHEDULES = "schedules"
    UI = "ui"


Parts: TypeAlias = Collection[Part]


def server_settings(parts: Parts) -> dict[str, str]:
    """Return the environment of an embedded server that has some of its parts."""
    schedules, ui = (str(part in parts).lower() for part in (Part.SCHEDULES, Part.UI))
    return {
        **SERVER_ENVIRONMENT,
        **dict.fromkeys((*SCHEDULING, *BLOCKS), schedules),
        "PREFECT_SERVER_UI_ENABLED": ui,
    }


@dataclass(frozen=True)
class ApiServer:
    """The API server that a run talks to.

    Attributes:
        url: Its API URL.
        embedded: Whether it is the workspace's own, which ends with its last user.
        environment: What Prefect clients (this process, its workers) need in their environment; no secret.
        credential: What the workspace's own server wants to be shown; None for another's, which the user's own settings
            provide for. Never in an argument list, a log or a record.
        log: The embedded server's log file; None for another's server.
        booting: Whether this process has just started it, so that the first answer takes seconds.
        ui: Where the embedded server's pages are; None where it has none.
    """

    url: str
    embedded: bool
    environment: Mapping[str, str]
    credential: str | None = field(default=None, repr=False)
    log: Path | None = None
    booting: bool = False
    ui: str | None = None

    @property
    def client_environment(self) -> Mapping[str, str]:
        """What Prefect clients need in their environment, the credential included."""
        return {**self.environment, **({"PREFECT_API_AUTH_STRING": self.credential} if self.credential else {})}


@contextmanager
def api_server(workspace: Path, *, parts: Parts = ()) -> Iterator[ApiServer]:
    """Use the configured API server, else the workspace's embedded one, which is started when nobody runs it yet.

    Entering returns at once: requests to a starting server wait in its socket. On leaving, the last user of an
    embedded server stops it; should this process be killed, the server ends by itself.

    Args:
        workspace: The folder of ``quantflow.toml``.
        parts: What the embedded server must have. One that does not is replaced, and kept if it was kept.

    Raises:
        InfrastructureError: If no server can be started, or a run uses one that would have to be replaced.
    """
    refuse_unusable_proxy()
    url = configured_url()
    if url and url not in _embedded_here and not is_own(workspace, url):
        _check_answers(url)
        yield ApiServer(url, embedded=False, environment={"PREFECT_API_URL": url, **without_proxy(url)})
        return
    home = home_of(workspace)
    with _opened(home / "users") as users:
        state = _use_server_with(parts, home, users)
        try:
            yield _embedded(home, state)
        finally:
            _stop_if_last(users, home, state["pid"])


def _joined(home: Path, users: FileLock, parts: Parts) -> dict[str, Any]:
    users.take(shared=True, seconds=None)
    return join_or_start(home, parts)


def _use_server_with(parts: Parts, home: Path, users: FileLock) -> dict[str, Any]:
    """Use a server that has *parts*; one that does not is replaced, and so is one that a run starts then."""
    kept = stop_server_without(parts, home)
    while missing(parts, state := _joined(home, users, parts)):
        users.free()
        kept |= stop_server_without(parts, home)
    if kept:
        keep(home, state["pid"])
    return state


def missing(parts: Parts, state: Mapping[str, Any]) -> list[Part]:
    """Return those of *parts* that a running server does not have."""
    return [part for part in parts if part not in state.get("parts", ())]


def stop_server_without(parts: Parts, home: Path) -> bool:
    """End a server that does not have *parts*, unless a run uses it; return whether it was a kept one.

    Raises:
        InfrastructureError: If a run uses it.
    """
    state = running(home)
    if state is None or not missing(parts, state):
        return False
    kept = bool(named(home / "kept") == state["pid"])
    (home / "kept").unlink(missing_ok=True)  # now it ends by itself with its last user
    until = time.monotonic() + SWAP_SECONDS
    try:
        while (found := running(home)) and found["pid"] == state["pid"]:
            if time.monotonic() > until:
                without = " and ".join(missing(parts, state))
                message = (
                    f"The workspace's API server (process {found['pid']}) was started without {without}, and is in use."
                )
                raise InfrastructureError(
                    message, hint="Start again when the run that uses it has ended: quantflow inspect"
                )
            time.sleep(0.1)
    except BaseException:
        if kept:
            keep(home, state["pid"])
        raise
    return kept


def inherited_server(workspace: Path) -> ApiServer:
    """Return the API server that the starter of this process named.

    If it is the workspace's own, this process is a user of it until its end.

    Raises:
        InfrastructureError: If it named none.
    """
    url = configured_url()
    if url is None:
        raise InfrastructureError("No API server is configured.", hint="Set PREFECT_API_URL.")
    home = home_of(workspace)
    users = _opened(home / "users")
    users.take(shared=True, seconds=None)
    state = running(home)
    if state is not None and state["url"] == url:
        return _embedded(home, state)  # the lock goes with the process
    users.close()
    return ApiServer(url, embedded=False, environment={"PREFECT_API_URL": url, **without_proxy(url)})


def home_of(workspace: Path) -> Path:
    """Return the folder of the workspace's own server, made when it is missing."""
    home = workspace.absolute() / ".quantflow" / "server"
    private_folder(home)
    if fault := fault_at(home):  # what lies there configures a server that runs as this user
        raise InfrastructureError(
            f"The API server's folder {home} is not used: {fault}.", hint="Remove it, or its link."
        )
    return home


def _opened(path: Path) -> FileLock:
    try:
        return FileLock(path)
    except OSError as error:
        raise InfrastructureError(
            f"{path} cannot be written: {error.strerror}.", hint="Fix the folder's permissions, or use --workspace."
        ) from error


def _check_answers(url: str) -> None:
    if trouble := trouble_at(url):
        hint = "Start it, or unset PREFECT_API_URL to use a server of the workspace's own."
        if trouble.startswith(UNTRUSTED):
            hint = "Name the file of its certificate authority: PREFECT_API_SSL_CERT_FILE=/path/to/authority.pem"
        raise InfrastructureError(
            f"The API server at {without_secrets(url)} (PREFECT_API_URL) does not answer: {trouble.rstrip('.')}.",
            hint=hint,
        )


_embedded_here: set[str] = set()
"""URLs of own servers that this process has used: Prefect keeps the settings it was imported with, as if configured."""


def _embedded(home: Path, state: Mapping[str, Any]) -> ApiServer:
    _embedded_here.add(state["url"])
    ui = state["url"].removesuffix("/api") if Part.UI in state["parts"] else None
    environment = {
        "PREFECT_API_URL": state["url"],
        **without_proxy(state["url"]),
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_CLIENT_MAX_RETRIES": "2",
        "PREFECT_CLIENT_CUSTOM_HEADERS": "{}",  # the user's are for another server
        "PREFECT_API_REQUEST_TIMEOUT": "30",  # a server that hangs is reported within minutes
        "PREFECT_API_SSL_CERT_FILE": str(_one_authority(home)),
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",  # this server asks for no token, but each client would
        "PREFECT_LOGGING_TO_API_ENABLED": "true" if ui else "false",  # without pages nobody reads it there
        "PREFECT_UI_URL": ui or "",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "DO_NOT_TRACK": "1",
    }
    booting = bool(state.get("booting"))
    return ApiServer(state["url"], True, environment, state["credential"], home / "server.log", booting, ui)


def _one_authority(home: Path) -> Path:
    """Return a file with a single certificate authority, for Prefect's clients of a server that speaks no TLS at all.

    Each of the several clients of a flow run reads the whole bundle otherwise, which takes 20 ms.
    """
    path = home / "authority.pem"
    if not path.is_file():
        import certifi

        end = "-----END CERTIFICATE-----\n"
        write_atomic(path, (certifi.contents().partition(end)[0] + end).encode())
    return path


def join_or_start(home: Path, parts: Parts = ()) -> dict[str, Any]:
    """Return the state of the running server; start one when there is none. One starter at a time.

    Args:
        home: The server's folder.
        parts: What a server that is started has.

    Raises:
        InfrastructureError: If it cannot be started.
    """
    with FileLock(home / "starting") as guard:
        guard.take(seconds=None)
        return running(home) or _start(home, parts)


def running(home: Path) -> dict[str, Any] | None:
    """Return pid, port, url and credential of the server that runs in *home*; None when none does."""
    try:
        state = json.loads((home / "state.json").read_bytes())
        with socket.create_connection(("127.0.0.1", state["port"]), timeout=1):
            pass
        command = Path(f"/proc/{state['pid']}/cmdline")
        if command.parent.parent.exists() and b"quantflow.server.process" not in command.read_bytes():
            return None
        if (home / "state.json").stat().st_uid != os.geteuid():
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(state) if state.get("credential") else None


def is_own(workspace: Path, url: str | None) -> bool:
    """Whether an API URL is that of the workspace's own server."""
    state = running(workspace / ".quantflow" / "server")
    return state is not None and state["url"] == url


def has_pages(workspace: Path, url: str | None) -> bool:
    """Whether somebody can look at what an API server knows: not at the workspace's own, if it was started without."""
    state = running(workspace / ".quantflow" / "server")
    return state is None or state["url"] != url or not missing([Part.UI], state)


def _start(home: Path, parts: Parts) -> dict[str, Any]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, _log(home) as log:
        fd, port = listener.fileno(), listener.getsockname()[1]
        credential = f"{secrets.token_hex(8)}:{secrets.token_urlsafe(32)}"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            **server_settings(parts),
            "PREFECT_UI_STATIC_DIRECTORY": str(home / "pages"),
            "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
            **without_proxy("http://127.0.0.1"),
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_API_AUTH_STRING": credential,
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home}/prefect.db",
        }
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "quantflow.server.process", str(fd), str(home)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(fd,),
                start_new_session=True,  # Ctrl-C must not end the server before the flow has reported it
                cwd=home,  # no .env or prefect.toml there: what the user sets is for the user's own servers
                env=environment,
            )
        except OSError as error:
            raise InfrastructureError(f"The API server cannot be started: {error}.") from error
    url = f"http://127.0.0.1:{port}/api"
    state = {"pid": process.pid, "port": port, "url": url, "parts": [*parts], "credential": credential}
    write_atomic(home / "state.json", json.dumps(state).encode())
    return {**state, "booting": True}


def _log(home: Path) -> IO[bytes]:
    return os.fdopen(os.open(home / "server.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _stop_if_last(users: FileLock, home: Path, pid: int) -> None:
    """Stop the server when this was its last user; what the run had to say has been drained before."""
    if not users.take():
        return
    (home / "state.json").unlink(missing_ok=True)
    for signal_number, patience in ((15, 5.0), (9, 2.0)):
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return
        if gone(pid, patience):
            return


def gone(pid: int, patience: float) -> bool:
    """Wait until the process has ended, reaping it when it is our child."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return True
        except ChildProcessError:
            if _ended(pid):
                return True
        time.sleep(0.02)
    return False


def _ended(pid: int) -> bool:
    """Whether another's child has ended, reaped or not: the first process of a container may never reap it."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
