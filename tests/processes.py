"""Running quantflow in processes of its own, and looking at what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

from quantflow.server.server import ApiServer, running

TWO_SLEEVES = """
[profiles.small]
extends = "demo"
[profiles.small.data]
start = 2017-01-01
[profiles.small.validation]
min_history = 504
[profiles.small.rebalance]
every = "quarterly"
[profiles.narrow]
extends = "small"
[profiles.narrow.policy]
top_n = 1
[meta.two]
sleeves = [{ profile = "small" }, { profile = "narrow" }]
"""
"""A meta profile of two small sleeves."""

FAULTY = [sys.executable, str(Path(__file__).with_name("planted.py"))]
"""A command that runs quantflow with a fault: what follows says where, when and which."""

SMALL = (
    "data.start=2017-01-01",
    "validation.min_history=504",
    "rebalance.every=quarterly",
)
"""Overrides that make a demo run short: six years, quarterly rebalances."""


def run_cli(
    *arguments: str, cwd: Path, timeout: float = 240, server: ApiServer | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``quantflow`` in a process of its own, with no API server configured but *server*.

    With one that is there a run takes half the time; its own is for tests to which it matters.
    """
    return subprocess.run(
        [sys.executable, "-m", "quantflow", *arguments],
        cwd=cwd,
        env={**bare_environment(), **(shown_to(server) if server else {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def bare_environment() -> dict[str, str]:
    """The environment without anything of Prefect's or quantflow's."""
    ours = ("PREFECT", "QUANTFLOW", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def shown_to(server: ApiServer) -> dict[str, str]:
    """What a process needs in its environment to use an API server that somebody else started."""
    return {"PREFECT_API_URL": server.url, "PREFECT_API_AUTH_STRING": str(server.credential)}


def api_of(server: ApiServer) -> httpx.Client:
    """A client of a server's API, with its credential."""
    user, _, password = str(server.credential).partition(":")
    return httpx.Client(base_url=server.url, auth=(user, password), timeout=20)


def own_server(workspace: Path) -> ApiServer:
    """The workspace's own API server, which runs."""
    state = running(workspace / ".quantflow" / "server")
    assert state is not None
    return ApiServer(state["url"], embedded=True, environment={}, credential=state["credential"])


def processes_of(workspace: Path) -> list[str]:
    """The command lines of living processes that work in or for a workspace."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            at = str((folder / "cwd").readlink())
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z" and (str(workspace) in command or at.startswith(str(workspace))):
            found.append(command)
    return found
