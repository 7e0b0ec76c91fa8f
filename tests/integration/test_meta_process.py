"""``quantflow meta`` as a user runs it: Ray and processes, dying workers, dead addresses, nested and pinned sleeves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from processes import api_of, bare_environment, own_server, processes_of, run_cli
from quantflow.runs.kinds import open_run
from quantflow.runs.record import RunRecord
from quantflow.runs.run import Run
from quantflow.server.server import SCHEDULING, ApiServer, Part, server_settings

PROFILE = """
[profiles.s{n}]
extends = "demo"
[profiles.s{n}.data]
start = 2017-01-01
[profiles.s{n}.policy]
top_n = {n}
[profiles.s{n}.validation]
min_history = 504
[profiles.s{n}.rebalance]
every = "quarterly"
"""
METAS = """
[meta.three]
sleeves = [{ profile = "s1" }, { profile = "s2" }, { profile = "s3" }]
allocation = { method = "risk_parity" }
[meta.nested]
sleeves = [{ profile = "s4" }, { meta = "three", id = "inner" }]
allocation = { method = "equal_weight" }
[meta.pinned]
sleeves = [{ profile = "s1", run_id = "earlier" }, { profile = "s2" }]
[meta.broken]
sleeves = [{ profile = "s1" }, { profile = "bad" }, { profile = "worse" }]
[meta.partial]
sleeves = [{ profile = "s1" }, { profile = "s2" }, { profile = "bad" }]
allow_partial = true
min_sleeves = 2
renormalise = "proportional"
[profiles.bad]
extends = "s1"
[profiles.bad.allocation]
max_weight = 0.01
[profiles.worse]
extends = "s1"
[profiles.worse.data]
min_sessions = 100000
"""


def settings() -> str:
    return "".join(PROFILE.format(n=n) for n in (1, 2, 3, 4)) + METAS


@pytest.fixture
def portfolio(fresh: Path) -> Path:
    """A workspace with small profiles and meta profiles of them."""
    (fresh / "quantflow.toml").write_text(settings())
    return fresh


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of a run in processes, without Ray, that nothing disturbed."""
    home = tmp_path_factory.mktemp("quiet")
    (home / "quantflow.toml").write_text(settings())
    done = run_cli("meta", "-m", "three", "--run-id", "quiet", "--runner", "local", cwd=home)
    assert done.returncode == 0, done.stderr
    return weights(home, "quiet")


def weights(workspace: Path, run_id: str) -> bytes:
    return (workspace / "runs" / run_id / "weights.csv").read_bytes()


def found(workspace: Path, run_id: str) -> Run:
    return open_run(workspace, run_id)


def wait_until_quiet(workspace: Path) -> list[str]:
    until = time.monotonic() + 15
    while processes_of(workspace) and time.monotonic() < until:
        time.sleep(0.1)
    return processes_of(workspace)


def test_ray_and_processes_give_the_same_bytes(portfolio: Path, quiet: bytes) -> None:
    """On Ray and without it the weights are equal; capital is conserved; one API server serves all workers."""
    servers: set[str] = set()
    done = threading.Event()

    def count() -> None:
        while not done.wait(0.2):
            servers.update(
                c for c in processes_of(portfolio) if "quantflow.server.process" in c or "prefect.server" in c
            )

    counter = threading.Thread(target=count)
    counter.start()
    on_ray = run_cli("meta", "-m", "three", "--run-id", "ray", cwd=portfolio)
    done.set()
    counter.join()
    assert on_ray.returncode == 0, on_ray.stderr
    assert len(servers) == 1
    assert "raylet" not in on_ray.stderr
    assert "INFO" not in on_ray.stderr
    assert weights(portfolio, "ray") == quiet
    cached = [found(portfolio, f"ray.s{n}").stages["ingestion"].cached for n in (1, 2, 3)]  # type: ignore[union-attr]
    assert sorted(cached) == [False, True, True], "sleeves on the same data fetch it once"
    book = pd.read_csv(portfolio / "runs" / "ray" / "weights.csv")
    assert book["weight"].sum() == pytest.approx(1.0, abs=1e-12)
    assert (book["long"] - book["short"]).to_numpy() == pytest.approx(book["weight"].to_numpy(), abs=1e-15)
    for sleeve in ("s1", "s2", "s3"):
        assert f"ray.{sleeve}" in on_ray.stdout
        assert (portfolio / "runs" / f"ray.{sleeve}" / "log.txt").stat().st_size > 0
        assert json.loads((portfolio / "runs" / "ray" / "sleeves" / f"{sleeve}.json").read_text())["id"] == sleeve
    assert wait_until_quiet(portfolio) == []


@pytest.mark.parametrize("runner", ["ray", "local"])
def test_a_server_that_lives_on_knows_how_all_tasks_ended(runner: str, portfolio: Path) -> None:
    """The last words of each worker arrive: no task run is left as running in the API of a kept server."""
    assert run_cli("server", "start", cwd=portfolio).returncode == 0
    try:
        done = run_cli("meta", "-m", "three", "--run-id", "kept", "--runner", runner, cwd=portfolio)
        assert done.returncode == 0, done.stderr
        with api_of(own_server(portfolio)) as client:
            tasks = client.post("/task_runs/filter", json={}).raise_for_status().json()
        sleeves = {task["name"]: task["state_name"] for task in tasks if task["name"].startswith("sleeve ")}
        assert sleeves == {f"sleeve s{n}": "Completed" for n in (1, 2, 3)}
        assert {task["state_name"] for task in tasks} <= {"Completed", "Cached"}
    finally:
        run_cli("server", "stop", cwd=portfolio)


def kill_a_sleeve_worker(workspace: Path, run_id: str, process: subprocess.Popen[str]) -> None:
    """Kill -9 the process that owns the sleeve *run_id* as soon as it is at work."""
    lock = workspace / "runs" / run_id / "lock"
    record = RunRecord(workspace, run_id)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, process.communicate()
        run = open_run(record.workspace, record.id) if record.exists else None
        if run is not None and run.owner is not None and run.owner["pid"] and "features" in run.done:
            os.kill(json.loads(lock.read_text())["pid"], signal.SIGKILL)
            return
        time.sleep(0.005)
    pytest.fail("the sleeve never ran")


@pytest.mark.parametrize("runner", ["ray", "local"])
def test_a_killed_worker_loses_no_sleeve(runner: str, portfolio: Path, quiet: bytes) -> None:
    """The run completes, or fails with exit 20 and ``resume`` completes it; the weights are those of a quiet run."""
    command = [sys.executable, "-m", "quantflow", "meta", "-m", "three", "--run-id", "hit", "--runner", runner]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=portfolio, env=bare_environment(), **pipes)  # type: ignore[call-overload]
    kill_a_sleeve_worker(portfolio, "hit.s2", process)
    _, stderr = process.communicate(timeout=180)
    assert process.returncode in (0, 20), stderr
    if process.returncode == 20:
        assert "s2" in stderr
        assert "quantflow resume hit" in stderr
        assert not (portfolio / "runs" / "hit" / "weights.csv").exists()
        resumed = run_cli("resume", "hit", cwd=portfolio)
        assert resumed.returncode == 0, resumed.stderr
    assert weights(portfolio, "hit") == quiet
    assert wait_until_quiet(portfolio) == []


def test_ray_starts_where_temporary_files_are_in_the_active_environment(
    portfolio: Path, quiet: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's workers refuse a folder there, for which Ray itself waits for ever."""
    inside = portfolio / "venv" / "tmp"
    inside.mkdir(parents=True)
    monkeypatch.setenv("VIRTUAL_ENV", str(inside.parent))
    monkeypatch.setenv("TMPDIR", str(inside))
    done = run_cli("meta", "-m", "three", "--run-id", "inside", cwd=portfolio)
    assert done.returncode == 0, done.stderr
    assert (portfolio / "runs" / "inside" / "weights.csv").read_bytes() == quiet


def test_a_dead_ray_address_is_answered_at_once(portfolio: Path) -> None:
    """Nothing listens there: exit 30 within seconds, with a hint, and nothing was started."""
    at = time.monotonic()
    done = run_cli("meta", "-m", "three", "--ray-address", "127.0.0.1:9", cwd=portfolio)
    assert time.monotonic() - at < 3
    assert done.returncode == 30
    assert "127.0.0.1:9" in done.stderr
    assert "ray start" in done.stderr
    assert not (portfolio / "runs").exists()


def test_all_failures_are_listed_after_all_sleeves_have_ended(portfolio: Path, server: ApiServer) -> None:
    """Exit 20; each failed sleeve with its stage, cause and log; the others are complete and kept."""
    done = run_cli("meta", "-m", "broken", "--run-id", "broken", "--runner", "local", cwd=portfolio, server=server)
    assert done.returncode == 20, done.stderr
    assert "2 of 3 sleeves failed" in done.stderr
    assert "bad: allocation: " in done.stderr
    assert "worse: ingestion: " in done.stderr
    for name in ("bad", "worse"):
        assert str(portfolio / "runs" / f"broken.{name}" / "log.txt") in done.stderr
    assert found(portfolio, "broken.s1").state == "completed"
    assert found(portfolio, "broken").state == "failed"
    assert not (portfolio / "runs" / "broken" / "weights.csv").exists()


def test_a_partial_portfolio_says_so_first(portfolio: Path, server: ApiServer) -> None:
    """With ``allow_partial`` the run goes on without the failed sleeve, degraded, and the report opens with it."""
    done = run_cli("meta", "-m", "partial", "--run-id", "part", "--runner", "local", cwd=portfolio, server=server)
    assert done.returncode == 0, done.stderr
    run = found(portfolio, "part")
    assert run.degraded
    book = pd.read_csv(run.folder / "weights.csv")
    assert book["weight"].sum() == pytest.approx(1.0, abs=1e-12)
    head = "\n".join((run.folder / "brief.txt").read_text().splitlines()[:4])
    assert "bad" in head
    assert "artial" in head


def test_nested_and_pinned_sleeves(portfolio: Path, server: ApiServer) -> None:
    """A sleeve may be a meta profile, or a run that was there before; both reach the weights."""
    nested = run_cli("meta", "-m", "nested", "--run-id", "deep", "--runner", "local", cwd=portfolio, server=server)
    assert nested.returncode == 0, nested.stderr
    assert found(portfolio, "deep.inner").state == "completed"
    assert found(portfolio, "deep.inner.s3").state == "completed"
    book = pd.read_csv(portfolio / "runs" / "deep" / "weights.csv")
    assert book["weight"].sum() == pytest.approx(1.0, abs=1e-12)
    assert run_cli("select", "-p", "s1", "--run-id", "earlier", cwd=portfolio, server=server).returncode == 0
    before = weights(portfolio, "earlier")
    pinned = run_cli("meta", "-m", "pinned", "--run-id", "pin", "--runner", "local", cwd=portfolio, server=server)
    assert pinned.returncode == 0, pinned.stderr
    assert "earlier (reused)" in pinned.stdout
    assert {sleeve.name: sleeve.link.pinned for sleeve in open_run(portfolio, "pin").sleeves} == {
        "s1": True,
        "s2": False,
    }
    assert weights(portfolio, "earlier") == before
    listed = run_cli("inspect", "--json", cwd=portfolio, server=server)
    assert {run["run_id"] for run in json.loads(listed.stdout)["runs"]} == {"deep", "earlier", "pin"}


def test_a_pinned_run_of_another_session_is_refused(portfolio: Path, server: ApiServer) -> None:
    """Sleeves that end on different sessions make no portfolio; the error names them and their sessions."""
    old = run_cli("select", "-p", "s1", "--run-id", "earlier", "--as-of", "2022-06-30", cwd=portfolio, server=server)
    assert old.returncode == 0, old.stderr
    done = run_cli("meta", "-m", "pinned", "--runner", "local", cwd=portfolio, server=server)
    assert done.returncode == 21, done.stderr
    assert "s1 2022-06-30, s2 2022-12-28" in done.stderr


def test_a_signal_ends_a_meta_run_in_order(portfolio: Path) -> None:
    """Workers, Ray and server end within seconds; the run says how to go on, and resume completes it."""
    command = [sys.executable, "-m", "quantflow", "meta", "-m", "three", "--run-id", "stopped"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=portfolio, env=bare_environment(), **pipes)  # type: ignore[call-overload]
    record = RunRecord(portfolio, "stopped.s1")
    while not (record.exists and (who := open_run(record.workspace, record.id).owner) and who["pid"] != process.pid):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    at = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stderr
    assert time.monotonic() - at < 15
    assert "quantflow resume stopped" in stderr
    assert "INTERRUPTED" in stderr
    for word in ("Crashed", "STOPPED", "ancelled"):
        assert word not in stderr, "an interrupted run has one name"
    assert found(portfolio, "stopped").state == "interrupted"
    assert wait_until_quiet(portfolio) == []
    resumed = run_cli("resume", "stopped", cwd=portfolio)
    assert resumed.returncode == 0, resumed.stderr
    assert found(portfolio, "stopped").state == "completed"


def test_a_circle_of_meta_profiles_is_a_config_error(portfolio: Path) -> None:
    """Meta profiles that contain each other are refused before anything starts."""
    with (portfolio / "quantflow.toml").open("a") as file:
        file.write('[meta.a]\nsleeves = [{ meta = "b" }]\n[meta.b]\nsleeves = [{ meta = "a" }]\n')
    done = run_cli("meta", "-m", "a", cwd=portfolio)
    assert done.returncode == 2
    assert "a > b > a" in done.stderr


def test_the_embedded_server_schedules_nothing() -> None:
    """Services that act by themselves are off, unless it is there for schedules."""
    assert {server_settings(())[name] for name in SCHEDULING} == {"false"}
    assert {server_settings([Part.SCHEDULES])[name] for name in SCHEDULING} == {"true"}
