"""``quantflow server``: a server that stays, is shared, is let go, and is never mistaken for another process."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from processes import processes_of, run_cli
from quantflow.errors import InfrastructureError
from quantflow.server.keeping import keep, named
from quantflow.server.kept import server_status, start_server, stop_server
from quantflow.server.server import Part, api_server, home_of, running


@pytest.fixture(autouse=True)
def _no_server_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "no-prefect-profile"))
    monkeypatch.setattr("quantflow.server.server.configured_url", lambda: None)
    monkeypatch.setattr("quantflow.server.kept.configured_url", lambda: None)


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
        shown = run_cli("server", "show", "--json", cwd=fresh)
        assert shown.returncode == 0
        assert json.loads(shown.stdout)["pid"] == second.pid
        run_cli("server", "stop", cwd=fresh)
        assert server_status(fresh).kept is False
    assert stop_server(fresh)
    assert not [command for command in processes_of(fresh) if "quantflow.server.process" in command]
    gone = run_cli("server", "show", cwd=fresh)
    assert (gone.returncode, gone.stdout) == (1, "no API server is running; each run starts its own\n")


@pytest.fixture
def used_and_kept(fresh: Path) -> Iterator[dict[str, Any]]:
    """A server without schedules that is kept, and used until the test ends it: what tells of it, with its home."""
    home = home_of(fresh)
    with ExitStack() as use:
        use.enter_context(api_server(fresh))
        state = running(home)
        assert state is not None
        until = time.monotonic() + 20
        while not keep(home, state["pid"]):
            assert time.monotonic() < until
            time.sleep(0.05)
        yield {**state, "home": home, "let_go": use.close}
    stop_server(fresh)


def test_a_server_in_use_is_not_replaced_and_stays_kept(
    used_and_kept: dict[str, Any], fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``serve`` beside a run that uses a kept server without schedules is refused, and changes nothing."""
    monkeypatch.setattr("quantflow.server.server.SWAP_SECONDS", 0.5)
    with pytest.raises(InfrastructureError, match="without schedules"), api_server(fresh, parts=[Part.SCHEDULES]):
        pass
    assert named(used_and_kept["home"] / "kept") == used_and_kept["pid"]


def test_a_server_that_a_run_has_just_started_is_replaced_too(
    used_and_kept: dict[str, Any], fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unseen at first, found when joining: ``serve`` never goes on with one that schedules nothing."""
    used_and_kept["let_go"]()
    seen = iter([None])
    monkeypatch.setattr("quantflow.server.server.running", lambda home: next(seen, True) and running(home))
    with api_server(fresh, parts=[Part.SCHEDULES]):
        state = running(used_and_kept["home"])
        assert state is not None
        assert (state["parts"], state["pid"] != used_and_kept["pid"]) == (["schedules"], True)
        assert named(used_and_kept["home"] / "kept") == state["pid"]


def test_pages_are_there_where_they_are_asked_for(fresh: Path) -> None:
    """A kept server without pages is replaced by one with them; they ask no other server, and the API still wants to be
    shown its credential. A run's log says where it can be seen, and without pages it does not.
    """
    bare = start_server(fresh)
    with api_server(fresh) as server:
        assert server.client_environment["PREFECT_UI_URL"] == ""
    found = start_server(fresh, [Part.UI])
    try:
        assert found.ui is not None
        assert found.pid != bare.pid
        page = httpx.get(found.ui)
        assert page.status_code == 200
        assert "connect-src 'self'" in page.headers["content-security-policy"]
        assert httpx.post(f"{found.url}/flows/count").status_code == 401
        with api_server(fresh) as server:
            assert server.client_environment["PREFECT_UI_URL"] == found.ui
    finally:
        stop_server(fresh)
