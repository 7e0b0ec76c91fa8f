"""A team's API server behind TLS with an authority of its own, and at Prefect Cloud's form of address and key."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateways import CLOUD_PATH, gateway, of_cloud
from processes import SMALL
from quantflow.runs.kinds import open_run
from team_server import Team

KEY = "pnu_not_a_key"
SELECT = ["select", "-p", "demo", *(word for line in SMALL for word in ("--set", line))]


def ran(workspace: Path, environment: dict[str, str], *words: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """What ``quantflow`` says and how long it took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "quantflow", *words],
        cwd=workspace, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )
    return done, time.monotonic() - began


@pytest.mark.parametrize("trust", ["authority", "no check"])
def test_a_run_uses_a_server_behind_an_authority_of_its_own(
    trust: str, team: Team, tmp_path: Path, workspace: Path
) -> None:
    """``select``, ``inspect`` and ``server show``; the events and log lines go over secure websockets."""
    with gateway(team.port, tmp_path) as found:
        trusted = {
            "authority": {"PREFECT_API_SSL_CERT_FILE": str(found.authority)},
            "no check": {"PREFECT_API_TLS_INSECURE_SKIP_VERIFY": "true"},
        }[trust]
        environment = {**team.environment, **trusted, "PREFECT_API_URL": f"https://localhost:{found.port}/api"}
        done, _ = ran(workspace, environment, *SELECT, "--run-id", "one")
        assert done.returncode == 0, done.stderr
        print(done.stderr, found.asked)
        assert "GET /api/health 200" in found.asked
