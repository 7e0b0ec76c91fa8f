"""A team's Prefect: a server of its own with a credential, that schedules and knows automations."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from processes import bare_environment

CREDENTIAL = "desk:not-a-secret-here"


@dataclass(frozen=True)
class Team:
    """A team's API server that runs.

    Attributes:
        port: Its port on loopback.
        home: Its own folder; clients have another.
        credential: What it wants to be shown; None for a server that asks nobody.
    """

    port: int
    home: Path
    credential: str | None

    @property
    def environment(self) -> dict[str, str]:
        """What a client of it needs."""
        return {
            **bare_environment(),
            "PREFECT_HOME": str(self.home / "client"),
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
            **({"PREFECT_API_AUTH_STRING": self.credential} if self.credential else {}),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            "DO_NOT_TRACK": "1",
        }

    def client(self) -> httpx.Client:
        """A client of its API."""
        user, _, password = (self.credential or ":").partition(":")
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}/api", auth=(user, password), timeout=30)

    def prefect(self, *words: str, cwd: Path | None = None) -> str:
        """What a command of Prefect's says; it must end well."""
        command = [sys.executable, "-m", "prefect", "--no-prompt", *words]
        done = subprocess.run(
            command, cwd=cwd, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def started(home: Path, credential: str | None = CREDENTIAL) -> Iterator[Team]:
    """Start one in a folder, and end it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **bare_environment(),
        "PREFECT_HOME": str(home),
        **({"PREFECT_SERVER_API_AUTH_STRING": credential} if credential else {}),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "DO_NOT_TRACK": "1",
    }
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-ui",
    ]
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
    found = Team(port, home, credential)
    try:
        with found.client() as client:
            _until_it_answers(client, process)
        yield found
    finally:
        process.terminate()
        process.wait(60)


def _until_it_answers(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the server has ended"
        try:
            client.get("/health").raise_for_status()
        except (httpx.HTTPError, OSError):
            time.sleep(0.2)
        else:
            return
    raise AssertionError("no server answers")
