"""The image and the services of ``compose.yaml`` in a container engine, each stack under a name of its own."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
IMAGE: str = COMPOSE["services"]["quantflow"]["image"]
HARDENED = ("--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
WRITABLE = (
    *("--tmpfs", "/tmp:mode=1777"),
    *("--tmpfs", "/home/quantflow:uid=10001,mode=0700"),
    *("--tmpfs", "/workspace:uid=10001,mode=0700"),
)
"""Where a container writes that runs a profile alone."""


def docker(*words: str, fed: str | bytes = b"", timeout: float = 600, env: dict[str, str] | None = None) -> bytes:
    """Run one command of the engine; return what it printed."""
    given = fed.encode() if isinstance(fed, str) else fed
    done = subprocess.run(
        ["docker", *words],
        input=given,
        capture_output=True,
        timeout=timeout,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert done.returncode == 0, (words, done.returncode, done.stdout[-2000:].decode(), done.stderr[-4000:].decode())
    return done.stdout


def inside(*command: str, image: str = IMAGE, options: tuple[str, ...] = ()) -> str:
    """Return what a command of the image prints, run as the image's user without network."""
    first, *rest = command
    return docker("run", "--rm", "--network", "none", *options, "--entrypoint", first, image, *rest).decode()


@dataclass(frozen=True)
class Stack:
    """The services, as ``docker compose`` started them from the repository's file."""

    name: str
    folder: Path
    port: int

    @property
    def settings(self) -> dict[str, str]:
        """What ``.env`` would set."""
        folders = {"WORKSPACE": str(self.folder / "workspace"), "SECRETS": str(self.folder / "secrets")}
        return {**folders, "PREFECT_PORT": str(self.port)}

    def command(self, *words: str) -> list[str]:
        """Return the words of a command of ``docker compose``."""
        return ["docker", "compose", "--project-name", self.name, "--project-directory", str(ROOT), *words]

    def compose(self, *words: str, fed: bytes = b"") -> bytes:
        """Run one command of ``docker compose``; return what it printed."""
        return docker(*self.command(*words)[1:], fed=fed, env=self.settings)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Begin a command of quantflow as documented, in a container of its own."""
        command = self.command("run", "--rm", "--no-TTY", "quantflow", *words)
        environment = {**os.environ, **self.settings}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command of quantflow; return its exit code and all that it said."""
        process = self.begin(*words)
        said = "".join(process.communicate(timeout=600))
        return process.returncode, said

    def containers(self, service: str) -> list[dict[str, Any]]:
        """Return what the engine knows of the containers of a service."""
        found = self.compose("ps", "--all", "--quiet", service).decode().split()
        return list(json.loads(docker("inspect", *found))) if found else []

    def kill(self, service: str) -> None:
        """Kill all processes of the first container of a service, as if memory ran out: the engine sees a crash.

        ``docker kill`` is what an operator does: it is not restarted.
        """
        command = self.command("exec", "--no-TTY", service, "bash", "-c", "kill -9 -1")
        subprocess.run(command, env={**os.environ, **self.settings}, capture_output=True, check=False)

    def healthy(self, service: str, seconds: float = 120) -> float:
        """Wait until every container of a service is healthy; return how long it took."""
        began = time.monotonic()
        while any(each["State"].get("Health", {}).get("Status") != "healthy" for each in self.containers(service)):
            assert time.monotonic() < began + seconds, self.compose("logs", "--tail", "40", service).decode()
            time.sleep(0.5)
        return time.monotonic() - began

    def workers(self, wanted: int, seconds: float = 150) -> float:
        """Wait until so many workers are in the cluster, which a check of one of them does not see; return how long."""
        script = "import ray; ray.init('127.0.0.1:6379', log_to_driver=False); "
        script += "print('alive', sum(n['Alive'] and 'CPU' in n['Resources'] for n in ray.nodes()))"
        began, command = time.monotonic(), ("with-secrets", "python", "-c", script)
        while f"alive {wanted}" not in self.compose("exec", "--no-TTY", "ray-head", *command).decode():
            assert time.monotonic() < began + seconds, self.compose("logs", "--tail", "40", "ray-worker").decode()
            time.sleep(2)
        return time.monotonic() - began

    def write(self, path: str, text: str) -> None:
        """Write a file of the workspace."""
        mounted = f"{self.folder / 'workspace'}:/workspace"
        options = ("--rm", "--interactive", "--network", "none", "--volume", mounted, "--entrypoint", "sh")
        docker("run", *options, IMAGE, "-c", f"umask 077; cat > {path}", fed=text)

    def read(self, path: str) -> bytes:
        """Return a file of the workspace, which its owner alone can read."""
        mounted = f"{self.folder / 'workspace'}:/workspace:ro"
        return docker("run", "--rm", "--network", "none", "--volume", mounted, "--entrypoint", "cat", IMAGE, path)


def start_stack(folder: Path) -> Stack:
    """Make secrets and a workspace as documented, and start the services with two workers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        stack = Stack(f"quantflow-test-{secrets.token_hex(4)}", folder, int(free.getsockname()[1]))
    subprocess.run([ROOT / "deploy" / "make-secrets", folder / "secrets"], check=True)
    (folder / "workspace").mkdir()
    mounted = f"{folder}:/folder"
    docker(
        "run",
        "--rm",
        "--user",
        "0",
        "--volume",
        mounted,
        "--entrypoint",
        "chown",
        IMAGE,
        "10001:10001",
        "/folder/workspace",
    )
    stack.compose("up", "--detach", "--wait", "--no-build", "--scale", "ray-worker=2")
    return stack


def end_stack(stack: Stack) -> None:
    """Remove the services and their data."""
    stack.compose("--profile", "serve", "down", "--volumes", "--timeout", "10")
    mounted = f"{stack.folder}:/folder"
    docker("run", "--rm", "--user", "0", "--volume", mounted, "--entrypoint", "rm", IMAGE, "-r", "/folder/workspace")
