"""A team's API server behind TLS with an authority of its own, and at Prefect Cloud's form of address and key."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways import CLOUD_PATH, Gateway, gateway, of_cloud
from processes import SMALL
from quantflow.runs.kinds import open_run
from team_server import Team, started

KEY = "pnu_this_is_no_key"
SELECT = ["select", "-p", "demo", "--run-id", "one", *(word for line in SMALL for word in ("--set", line))]
MOST_QUESTIONS = 15
"""In a short run, for which stages have ended: Prefect Cloud counts requests."""
SOON = 20.0
"""Seconds within which a command that cannot work says so, on a busy machine."""


def ran(workspace: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """What ``quantflow`` says."""
    command = [sys.executable, "-m", "quantflow", *words]
    return subprocess.run(
        command, cwd=workspace, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def through(team: Team, found: Gateway, path: str = "/api", **variables: str) -> dict[str, str]:
    """The environment of a client that goes through a gateway."""
    return {**team.environment, "PREFECT_API_URL": f"https://localhost:{found.port}{path}", **variables}


@pytest.mark.parametrize("trust", ["authority", "no check"])
def test_a_run_uses_a_server_behind_an_authority_of_its_own(
    trust: str, team: Team, tmp_path: Path, workspace: Path
) -> None:
    """``select``, its view, ``doctor`` and ``server show``: events come and go over secure websockets."""
    with gateway(team.port, tmp_path) as found:
        trusted = {
            "authority": {"PREFECT_API_SSL_CERT_FILE": str(found.authority)},
            "no check": {"PREFECT_API_TLS_INSECURE_SKIP_VERIFY": "true"},
        }[trust]
        environment = through(team, found, **trusted)
        done = ran(workspace, environment, *SELECT)
        assert done.returncode == 0, done.stderr
        assert "report           completed" in done.stderr
        assert {"GET /api/health 200", "GET /api/events/in 101", "GET /api/events/out 101"} <= set(found.asked)
        assert json.loads(ran(workspace, environment, "server", "show", "--json").stdout)["healthy"]
        assert "answers" in ran(workspace, environment, "doctor").stdout
    assert open_run(workspace, "one").state == "completed"


@pytest.mark.parametrize(
    ("variables", "message", "hint"),
    [
        ({}, "its certificate is not trusted (unable to get local issuer certificate)", "PREFECT_API_SSL_CERT_FILE=/"),
        ({"PREFECT_API_SSL_CERT_FILE": "/nowhere/ca.pem"}, "in /nowhere/ca.pem cannot be used: No such file", "in PEM"),
    ],
)
def test_an_unknown_authority_is_named_at_once(
    variables: dict[str, str], message: str, hint: str, team: Team, tmp_path: Path, workspace: Path
) -> None:
    """One sentence and what to do; no run begins."""
    with gateway(team.port, tmp_path) as found:
        began = time.monotonic()
        done = ran(workspace, through(team, found, **variables), *SELECT)
    assert (done.returncode, "Traceback" in done.stderr) == (2 if variables else 30, False), done.stderr
    assert message in done.stderr
    assert hint in done.stderr
    assert time.monotonic() - began < SOON
    assert not (workspace / "runs" / "one").exists()


def test_a_wrong_credential_is_named_soon(team: Team, tmp_path: Path, workspace: Path) -> None:
    """One sentence and what to do; the run can be resumed by who has the right one."""
    with gateway(team.port, tmp_path) as found:
        wrong = through(team, found, PREFECT_API_SSL_CERT_FILE=str(found.authority), PREFECT_API_AUTH_STRING="x:y")
        began = time.monotonic()
        done = ran(workspace, wrong, *SELECT)
        assert (done.returncode, "Traceback" in done.stderr) == (30, False), done.stderr
        assert "refuses this client (HTTP 401)" in done.stderr
        assert "PREFECT_API_AUTH_STRING" in done.stderr
        assert time.monotonic() - began < SOON


@pytest.fixture(scope="module")
def behind_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """The server behind a stand-in for Prefect Cloud, which alone asks who is there."""
    with started(tmp_path_factory.mktemp("behind"), None) as found:
        yield found


@pytest.mark.parametrize("key", [KEY, "pnu_of_another"])
def test_a_run_uses_prefect_cloud(key: str, behind_cloud: Team, tmp_path: Path, workspace: Path) -> None:
    """Its form of address and key do; quantflow asks it for nothing that only other servers have."""
    with gateway(behind_cloud.port, tmp_path, of_cloud(KEY)) as found:
        cloud = {"PREFECT_CLOUD_API_URL": f"https://localhost:{found.port}/api", "PREFECT_API_KEY": key}
        authority = {"PREFECT_API_SSL_CERT_FILE": str(found.authority)}
        began = time.monotonic()
        done = ran(workspace, through(behind_cloud, found, CLOUD_PATH, **cloud, **authority), *SELECT)
    asked = [line.replace(CLOUD_PATH, "") for line in found.asked]
    if key != KEY:
        assert (done.returncode, "Traceback" in done.stderr) == (30, False), done.stderr
        assert "refuses this client (HTTP 401)" in done.stderr
        assert "PREFECT_API_KEY" in done.stderr
        assert time.monotonic() - began < SOON
        return
    assert done.returncode == 0, done.stderr
    refused = {line for line in asked if line.endswith((" 401", " 403", " 404"))}
    assert refused <= {"GET /health 401", "GET /admin/storage 404"}  # the latter is of Prefect's client itself
    assert {"GET /events/in 101", "GET /events/out 101"} <= set(asked)
    assert "report           completed" in done.stderr
    assert sum(line.startswith("POST /task_runs/filter") for line in asked) < MOST_QUESTIONS
    assert open_run(workspace, "one").state == "completed"
