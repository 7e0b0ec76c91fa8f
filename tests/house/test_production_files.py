"""The files of ``deploy`` and ``compose.yaml``: health checks, secrets, and what containers may do."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

END = {"http": b"\r\n\r\n", "grpc": b"\0\0\0\4\0\0\0\0\0"}
"""How what a check sends ends."""


def healthy(kind: str, answer: bytes, *path: str) -> bool:
    """Whether a server that answers so, and then closes, is healthy."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                asked = b""
                while not asked.endswith(END[kind]):  # bash sends it line by line
                    asked += connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        command = [DEPLOY / "healthy", kind, f"127.0.0.1:{server.getsockname()[1]}", *path]
        code = subprocess.run(command, capture_output=True, check=False).returncode
        thread.join()
    return code == 0


def test_a_check_takes_the_answer_of_a_live_server_alone() -> None:
    """HTTP 200, or the settings of HTTP/2; an error, a closed connection and a closed port are none."""
    assert healthy("http", b"HTTP/1.1 200 OK\r\n\r\n", "/api/ready")
    assert not healthy("http", b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "/api/ready")
    assert healthy("grpc", bytes.fromhex("000018040000000000"))
    assert not healthy("grpc", b"")
    assert subprocess.run([DEPLOY / "healthy", "grpc", "127.0.0.1:1"], capture_output=True, check=False).returncode


def test_a_check_tells_a_hanging_process_from_one_that_answers() -> None:
    """Where the kernel accepts and nobody answers, the check does not succeed, however long it is given."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [DEPLOY / "healthy", "grpc", f"127.0.0.1:{server.getsockname()[1]}"]
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(command, capture_output=True, check=False, timeout=2)


def test_secrets_are_made_once_and_are_their_owners(tmp_path: Path) -> None:
    """Random, long, in a folder of the owner's; a second time nothing changes, so that no database is locked out."""
    folder = tmp_path / "secrets"
    subprocess.run([DEPLOY / "make-secrets", folder], check=True)
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == {Path(about["file"]).name for about in COMPOSE["secrets"].values()}
    assert all(len(text) >= 64 for text in made.values())
    assert len(set(made.values())) == 3
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    subprocess.run([DEPLOY / "make-secrets", folder], check=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == made


def test_a_secret_reaches_its_program_as_a_variable(tmp_path: Path) -> None:
    """By the name of its file; no other file does."""
    (tmp_path / "RAY_AUTH_TOKEN").write_text("a b'c")
    (tmp_path / "other").write_text("no")
    command = [DEPLOY / "with-secrets", "sh", "-c", 'printf %s "$RAY_AUTH_TOKEN$other"']
    done = subprocess.run(command, env={**os.environ, "SECRETS": str(tmp_path)}, capture_output=True, check=True)
    assert done.stdout == b"a b'c"


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_confined(service: str) -> None:
    """No capability, no new right, a read-only root, limits, secrets as files, ports on loopback alone."""
    about = SERVICES[service]
    assert about["cap_drop"] == ["ALL"]
    assert about["security_opt"] == ["no-new-privileges:true"]
    assert about["read_only"]
    assert {"mem_limit", "cpus", "pids_limit", "restart", "tmpfs", "logging"} <= set(about)
    assert all(port.startswith("127.0.0.1:") for port in about.get("ports", ()))
    given = about["environment"]
    assert not [name for name in given if name in COMPOSE["secrets"] or name.endswith("PASSWORD")]


def test_no_health_check_starts_a_python() -> None:
    """Each runs every few seconds in every container."""
    checks = [about["healthcheck"]["test"][1] for about in SERVICES.values() if "healthcheck" in about]
    assert set(checks) == {"healthy", "pg_isready"}


def test_the_services_run_this_version() -> None:
    """The image's tag is the package's version."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {about["image"] for name, about in SERVICES.items() if name != "postgres"} == {f"quantflow:{version}"}
