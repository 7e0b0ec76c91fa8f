"""``quantflow server``: a server that stays, is shared, is let go, and is never mistaken for another process."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from processes import processes_of, run_cli
from quantflow.flows.kept_server import server_status, start_server, stop_server
from quantflow.flows.server import api_server


@pytest.fixture(autouse=True)
def _no_server_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "no-prefect-profile"))
    monkeypatch.setattr("quantflow.flows.server.configured_url", lambda: None)
    monkeypatch.setattr("quantflow.flows.kept_server.configured_url", lambda: None)


def test_a_kept_server_is_shared_survives_its_users_and_ends_when_it_is_let_go(fresh: Path) -> None:
    """Start twice is one server; runs use it and leave it; killed, it is not believed in; stop leaves no process.

    A file of the user's that is called like a library is not taken for it.
    """
    (fresh / "six.py").write_text("raise RuntimeError('this is not the library')")
    assert not server_status(fresh).healthy
    first = start_server(fresh)
    assert (first.healthy, first.kept) == (True, True)
    assert start_server(fresh) == first
    with api_server(fresh) as used:
        assert used.url == first.url
    assert server_status(fresh) == first
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)
    assert server_status(fresh).url is None
    second = start_server(fresh)
    assert second.pid != first.pid
    with api_server(fresh) as used:
        assert used.url == second.url
        shown = run_cli("server", "status", "--json", cwd=fresh)
        assert shown.returncode == 0
        assert json.loads(shown.stdout)["pid"] == second.pid
        run_cli("server", "stop", cwd=fresh)
        assert server_status(fresh).kept is False
    assert stop_server(fresh)
    assert not [command for command in processes_of(fresh) if "api_server" in command]
    gone = run_cli("server", "status", cwd=fresh)
    assert (gone.returncode, gone.stdout) == (1, "no API server runs: each run starts its own\n")
