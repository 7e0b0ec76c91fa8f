"""``quantflow select`` and ``resume`` as a user runs them: real processes, an embedded API server, real signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from processes import bare_environment, processes_of, run_cli
from quantflow.pipeline.registry import SELECTION, StageRegistry
from quantflow.runs.kinds import open_run
from quantflow.runs.record import RunRecord
from quantflow.runs.run import Run


def start(workspace: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "quantflow", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=workspace, env=bare_environment(), **pipes)  # type: ignore[call-overload]


def wait_until_stage_runs(process: subprocess.Popen[str], workspace: Path, run_id: str, stage: str) -> None:
    record = RunRecord(workspace, run_id)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, process.communicate()
        if record.exists and (found := record.stage(stage)) is not None and found.state == "running":
            return
        time.sleep(0.005)
    pytest.fail(f"{stage} never ran")


def wait_until_quiet(workspace: Path, seconds: float = 10) -> list[str]:
    until = time.monotonic() + seconds
    while processes_of(workspace) and time.monotonic() < until:
        time.sleep(0.1)
    return processes_of(workspace)


def weights(workspace: Path, run_id: str) -> bytes:
    return (workspace / "runs" / run_id / "weights.csv").read_bytes()


def found(workspace: Path, run_id: str) -> Run:
    return open_run(workspace, run_id)


def test_the_demo_runs_in_an_empty_folder(prepared: Path) -> None:
    """Nine stages complete, the files that people open are there, and no process is left."""
    run = found(prepared, "undisturbed")
    assert run.state == "completed"
    assert run.done == SELECTION
    for name in ("weights.csv", "report.html", "brief.txt", "run.json", "events.jsonl", "log.txt"):
        assert (run.folder / name).stat().st_size > 0
    assert "ERROR" not in (run.folder / "log.txt").read_text()
    assert wait_until_quiet(prepared) == []


def test_the_book_becomes_orders_until_it_is_held(prepared: Path, tmp_path: Path) -> None:
    """From cash alone to the book of the demo: 10 and orders that the cash pays; when they are done, 0 and none."""
    held, out = tmp_path / "holdings.csv", tmp_path / "orders.csv"
    held.write_text("symbol,quantity\ncash,100000\n")
    command = ("orders", "--holdings", str(held), "--out", str(out), "--detailed-exitcode", "--json")
    first = run_cli(*command, cwd=prepared)
    assert first.returncode == 10, first.stderr
    told = json.loads(first.stdout)
    held_by_it = weights(prepared, "undisturbed").decode().splitlines()[1:]
    assert {order["symbol"] for order in told["orders"]} == {line.partition(",")[0] for line in held_by_it}
    assert told["tracking_difference"] < 0.02
    rows = [f"{order['symbol']},{order['quantity']}" for order in told["orders"]]
    held.write_text("\n".join(["symbol,quantity", *rows, f"cash,{told['cash_after']}", ""]))
    second = run_cli(*command, cwd=prepared)
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["orders"] == []
    assert out.read_text().count("\n") == 1


def test_a_second_run_is_cached_and_its_result_on_stdout(prepared: Path) -> None:
    """A new run id computes nothing twice; stdout has the result, stderr the progress, neither a log line."""
    again = run_cli("select", "-p", "demo", "--run-id", "again", cwd=prepared)
    assert again.returncode == 0
    run = found(prepared, "again")
    assert {name for name in SELECTION if run.stages[name].cached} == {
        name for name in SELECTION if StageRegistry.get(name).kind == "compute"
    }
    assert weights(prepared, "again") == weights(prepared, "undisturbed")
    assert "Winners and weights" in again.stdout
    assert "Out of sample" in again.stdout
    states = [line.split()[2] for line in again.stderr.splitlines()[1:]]
    assert set(states) <= {"running", "completed", "cached", "level"}, again.stderr


def test_json_output_is_one_document_per_line(prepared: Path) -> None:
    """``--json`` writes JSON lines only, the last one the result; or one that names the run that has it already."""
    again = run_cli("select", "-p", "demo", "--json", cwd=prepared)
    (named,) = (json.loads(line) for line in again.stdout.splitlines())
    assert again.returncode == 0
    assert (named["event"], named["as_of"]) == ("already_done", "2022-12-28")
    assert run_cli("inspect", named["run_id"], cwd=prepared).returncode == 0
    done = run_cli("select", "-p", "demo", "--json", "--force", cwd=prepared)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["schema_version"] for line in lines} == {1}
    assert lines[-1]["event"] == "result"
    assert lines[-1]["run"]["state"] == "completed"
    assert {stage["state"] for stage in lines[-1]["run"]["stages"]} == {"completed"}, (
        "--force took a result from the cache"
    )
    assert sum(row["weight"] for row in lines[-1]["outcome"]["weights"]) == pytest.approx(1.0, abs=1e-12)
    assert done.stderr == ""


def test_what_is_done_already_needs_no_server(prepared: Path) -> None:
    """A second command names the run without starting the API server, and the book stays where it is."""
    before = (prepared / "current" / "demo").resolve()
    server = prepared / ".quantflow" / "server"
    stamp = {path.name: path.stat().st_mtime_ns for path in server.iterdir()}
    again = run_cli("select", "-p", "demo", cwd=prepared)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("already done: ")
    assert f"book         {prepared / 'current' / 'demo'}" in again.stdout
    assert (prepared / "current" / "demo").resolve() == before
    assert {path.name: path.stat().st_mtime_ns for path in server.iterdir()} == stamp


def test_a_killed_run_resumes_to_the_same_bytes(prepared: Path, fresh: Path) -> None:
    """After kill -9 in validation, ``resume latest`` ends in the weights of a run that nothing disturbed."""
    process = start(fresh, "select", "-p", "demo", "--run-id", "killed")
    wait_until_stage_runs(process, fresh, "killed", "validation")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert found(fresh, "killed").state == "interrupted"
    shown = run_cli("inspect", "latest", cwd=fresh)
    assert "interrupted" in shown.stdout
    assert "quantflow resume killed" in shown.stdout
    assert wait_until_quiet(fresh) == [], "the API server outlived its only user"
    resumed = run_cli("resume", "latest", cwd=fresh)
    assert resumed.returncode == 0, resumed.stderr
    assert "keep  ingestion, features, inference, clustering, policy, synthesis, allocation" in resumed.stderr
    assert weights(fresh, "killed") == weights(prepared, "undisturbed")
    again = run_cli("resume", "latest", cwd=fresh)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_in_order(number: signal.Signals, code: int, prepared: Path, fresh: Path) -> None:
    """The run ends within seconds, says how to go on, leaves no process, and resumes to the same bytes."""
    process = start(fresh, "select", "-p", "demo", "--run-id", "stopped")
    wait_until_stage_runs(process, fresh, "stopped", "validation")
    at = time.monotonic()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert time.monotonic() - at < 10
    assert process.returncode == code, stderr
    assert "quantflow resume stopped" in stderr
    assert "INTERRUPTED" in stderr
    for word in ("Traceback", "Crashed", "STOPPED", "ancelled"):
        assert word not in stderr, "an interrupted run has one name"
    events = (fresh / "runs" / "stopped" / "events.jsonl").read_text()
    assert '"run.interrupted"' in events
    assert "cancelled" not in events
    assert found(fresh, "stopped").state == "interrupted"
    assert wait_until_quiet(fresh) == []
    assert run_cli("resume", "stopped", cwd=fresh).returncode == 0
    assert weights(fresh, "stopped") == weights(prepared, "undisturbed")


def test_a_live_run_is_not_touched(fresh: Path) -> None:
    """A second select of the same id, and a resume beside a live run, are answered at once with exit 75."""
    process = start(fresh, "select", "-p", "demo", "--run-id", "mine")
    try:
        wait_until_stage_runs(process, fresh, "mine", "ingestion")
        for command in (["select", "-p", "demo", "--run-id", "mine"], ["resume", "mine"]):
            refused = run_cli(*command, cwd=fresh)
            assert refused.returncode == 75, refused.stderr
            assert str(process.pid) in refused.stderr
        assert found(fresh, "mine").state == "running"
    finally:
        process.communicate(timeout=120)
    assert process.returncode == 0


def test_two_runs_share_one_server(fresh: Path) -> None:
    """Runs at the same time in one workspace use one embedded server, and both complete."""
    both = [start(fresh, "select", "-p", "demo", "--run-id", name) for name in ("a", "b")]
    until = time.monotonic() + 60
    while not all(RunRecord(fresh, name).exists for name in ("a", "b")) and time.monotonic() < until:
        time.sleep(0.05)
    servers = [command for command in processes_of(fresh) if "quantflow.server.process" in command]
    for process in both:
        _, stderr = process.communicate(timeout=240)
        assert process.returncode == 0, stderr
    assert len(servers) == 1
    assert weights(fresh, "a") == weights(fresh, "b")
    assert wait_until_quiet(fresh) == []


def test_the_users_own_server_is_used_when_configured(fresh: Path) -> None:
    """A configured server that does not answer is said so, with exit 30; no server of our own takes its place."""
    environment = {**bare_environment(), "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    command = [sys.executable, "-m", "quantflow", "select", "-p", "demo", "--run-id", "x"]
    done = subprocess.run(command, cwd=fresh, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 30, done.stderr
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_folder_of_the_user_is_written(prepared: Path, tmp_path: Path) -> None:
    """An embedded run writes below the workspace, and the user's cache; the user's Prefect home stays untouched."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {**bare_environment(), "HOME": str(home), "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    command = [sys.executable, "-m", "quantflow", "select", "-p", "demo"]
    done = subprocess.run(command, cwd=prepared, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (home / ".prefect").exists()
    assert (prepared / ".quantflow").stat().st_mode & 0o077 == 0
