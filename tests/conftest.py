"""What all tests share: a clean environment, and one API server for those that need one."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantflow.flows.server import ApiServer, api_server

SMALL = (
    "data.start=2017-01-01",
    "validation.min_history=504",
    "validation.rebalance=quarterly",
)
"""Overrides that make a demo run short: six years, quarterly rebalances."""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's own reaches a test."""
    for name in [name for name in os.environ if name.startswith("QUANTFLOW_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One real API server for the whole session; runs in and below this process use it as an external one."""
    home = tmp_path_factory.mktemp("server")
    before = {name: os.environ.pop(name, None) for name in ("PREFECT_API_URL", "PREFECT_HOME")}
    os.environ["PREFECT_HOME"] = str(home)
    with api_server(home) as found:
        os.environ["PREFECT_API_URL"] = found.url
        from prefect.settings import PREFECT_API_URL, temporary_settings

        with temporary_settings({PREFECT_API_URL: found.url}):
            yield found
        os.environ.pop("PREFECT_API_URL")
        os.environ.pop("PREFECT_HOME")
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
def fresh(prepared: Path, tmp_path: Path) -> Path:
    """An empty workspace whose API database exists already."""
    home = tmp_path / ".quantflow" / "server"
    home.mkdir(parents=True)
    source = sqlite3.connect(prepared / ".quantflow" / "server" / "prefect.db")
    target = sqlite3.connect(home / "prefect.db")
    source.backup(target)  # a copy of the file alone would miss what is still in its write-ahead log
    source.close()
    target.close()
    return tmp_path


def run_cli(*arguments: str, cwd: Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run ``quantflow`` in a process of its own, with no server configured."""
    return subprocess.run(
        [sys.executable, "-m", "quantflow", *arguments],
        cwd=cwd,
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def bare_environment() -> dict[str, str]:
    """The environment without anything of Prefect's or quantflow's."""
    ours = ("PREFECT", "QUANTFLOW", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


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
