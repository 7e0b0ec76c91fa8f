"""``quantflow serve``: what is due is run, once, by a process that leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from processes import api_of, bare_environment, own_server, processes_of, run_cli
from quantflow.flows.serve import TAG, deployment_name
from quantflow.runs.find import list_runs
from quantflow.runs.lock import owned
from quantflow.server.kept import start_server

PROFILE = """
[profiles.often]
extends = "demo"
data = { start = 2019-01-01 }
validation = { min_history = 504 }
rebalance = { every = "quarterly" }
schedule = { cron = "* * * * * */10" }
"""


def until(what: Callable[[], Any], seconds: float, process: subprocess.Popen[str]) -> Any:
    """Wait for a true value, as long as the process lives."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)
    return found


def asked(workspace: Path, what: str) -> list[dict[str, Any]]:
    with api_of(own_server(workspace)) as client:
        answer = client.post(f"/{what}/filter", json={})
    answer.raise_for_status()
    return list(answer.json())


@pytest.fixture
def serving(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A workspace with a kept server that schedules nothing and knows a stale deployment, and ``serve`` in it."""
    monkeypatch.setattr("quantflow.server.kept.configured_url", lambda: None)
    (fresh / "quantflow.toml").write_text(PROFILE)
    start_server(fresh)
    place = f"workspace:{os.uname().nodename}:{fresh.resolve()}"
    with api_of(own_server(fresh)) as client:
        flow = client.post("/flows/", json={"name": "Scheduled Run"}).json()["id"]
        for name, tags in (("gone", [TAG, place]), ("another's", [TAG, "workspace:elsewhere"])):
            client.post("/deployments/", json={"name": name, "flow_id": flow, "tags": tags}).raise_for_status()
    process = subprocess.Popen(
        [sys.executable, "-m", "quantflow", "serve"],
        cwd=fresh,
        env={**bare_environment(), "PREFECT_RUNNER_POLL_FREQUENCY": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield fresh, process
    run_cli("server", "stop", cwd=fresh)
    process.terminate()
    process.communicate(timeout=60)


def test_what_is_due_is_run_once_and_nothing_is_left(serving: tuple[Path, subprocess.Popen[str]]) -> None:
    """The kept server is replaced by one that schedules; a deployment of former times goes, another workspace's stays.

    While the former run goes on a firing is skipped; the next makes a run like any other, with its book; those after
    it find it done. A second ``serve`` is refused. SIGTERM ends all with 143.
    """
    workspace, process = serving

    def states() -> list[str]:
        try:
            return [run["state_name"] for run in asked(workspace, "flow_runs") if run["deployment_id"]]
        except (httpx.TransportError, AssertionError):  # the one server has ended, the other is about to begin
            return []

    schedule = workspace / ".quantflow" / "schedules" / "often"
    schedule.mkdir(parents=True)
    with owned(schedule):
        until(lambda: "Skipped" in states(), 150, process)
        assert list_runs(workspace) == []
    until(lambda: {"Completed", "AlreadyDone"} <= set(states()), 150, process)
    (run,) = list_runs(workspace)
    assert (run.state, run.profile) == ("completed", "often")
    book = workspace / "current" / "often" / "weights.csv"
    assert book.read_bytes() == (run.folder / "weights.csv").read_bytes()
    names = {deployment["name"] for deployment in asked(workspace, "deployments")}
    assert names == {deployment_name(workspace.resolve(), "often"), "another's"}
    (own,) = [each for each in asked(workspace, "flow_runs") if each["id"] in run.header.flow_runs]
    assert own["state_type"] == "COMPLETED"
    refused = run_cli("serve", cwd=workspace)
    assert refused.returncode == 75
    assert f"served by process {process.pid}" in refused.stderr
    run_cli("server", "stop", cwd=workspace)  # it was kept, and so was its successor
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stderr
    assert "* * * * * */10 (America/New_York)" in stdout
    assert f"often: {run.id} is complete" in stderr
    assert "Traceback" not in stderr
    assert processes_of(workspace) == []
