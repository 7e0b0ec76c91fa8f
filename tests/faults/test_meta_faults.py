"""Faults in a meta run: its workers, Ray's own processes, the driver, the API server, and many runs at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from processes import FAULTY, SMALL, bare_environment, processes_of, run_cli
from quantflow.pipeline.registry import META, SELECTION
from quantflow.runs.kinds import open_run

PROFILE = (
    '[profiles.s{n}]\nextends = "demo"\n[profiles.s{n}.data]\nstart = 2017-01-01\n[profiles.s{n}.policy]\ntop_n = {n}\n'
)
PROFILE += '[profiles.s{n}.validation]\nmin_history = 504\n[profiles.s{n}.rebalance]\nevery = "quarterly"\n'
META_PROFILE = '[meta.two]\nsleeves = [{ profile = "s1" }, { profile = "s2" }]\n'
COMMAND = ("meta", "-m", "two", "--run-id", "hit")
LIMIT_SECONDS = 240
RUNS_AT_ONCE = 16

WORKERS = [
    *[f"worker {what}-{s}-ray" for what in ("kill", "term") for s in SELECTION],
    *[f"worker kill-{s}-local" for s in SELECTION],
]
DAEMONS = [f"{daemon}-{s}-ray" for daemon in ("raylet", "gcs_server") for s in ("ingestion", "validation")]
DRIVER = [
    *[(f"record:{s}:running", "after", what) for s in META for what in ("kill", "term", "int", "server")],
    *[(f"artifact:{s}", "before", what) for s in META for what in ("kill", "full")],
    *[("export:weights.csv", when, "kill") for when in ("before", "after")],
]


@pytest.fixture
def portfolio(fresh: Path) -> Path:
    """A workspace with a meta profile of two sleeves."""
    (fresh / "quantflow.toml").write_text(PROFILE.format(n=1) + PROFILE.format(n=2) + META_PROFILE)
    return fresh


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of a run that nothing disturbed."""
    home = tmp_path_factory.mktemp("quiet")
    (home / "quantflow.toml").write_text(PROFILE.format(n=1) + PROFILE.format(n=2) + META_PROFILE)
    done = run_cli(*COMMAND, "--runner", "local", cwd=home)
    assert done.returncode == 0, done.stderr
    return weights(home, "hit")


def weights(workspace: Path, run_id: str) -> bytes:
    return (workspace / "runs" / run_id / "weights.csv").read_bytes()


def check(workspace: Path, quiet: bytes) -> None:
    """The truth is told, one command continues, the result is the quiet run's, nothing is left."""
    shown = run_cli("inspect", "hit", "--json", cwd=workspace)
    if shown.returncode == 2:  # it died before there was a run
        resumed = run_cli(*COMMAND, "--runner", "local", cwd=workspace)
    else:
        assert json.loads(shown.stdout)["state"] != "running"
        resumed = run_cli("resume", "hit", cwd=workspace)
    assert resumed.returncode == 0, resumed.stderr
    assert weights(workspace, "hit") == quiet
    until = time.monotonic() + 15
    while processes_of(workspace) and time.monotonic() < until:
        time.sleep(0.1)
    assert processes_of(workspace) == []
    assert list(workspace.rglob(".tmp-*")) == []


def begun(workspace: Path, stage: str) -> bool:
    """Whether the second sleeve has begun a stage."""
    return any((workspace / "runs" / "hit.s2" / "stages").glob(f"*-{stage}.json"))


def owner(workspace: Path) -> int | None:
    try:
        return int(json.loads((workspace / "runs" / "hit.s2" / "lock").read_text())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def descendants(pid: int) -> dict[int, str]:
    """The processes below one, by id, with their names."""
    parents: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        parents[int(folder.name)] = (int(rest.split()[1]), name)
    found: dict[int, str] = {}
    todo = [pid]
    while todo:
        at = todo.pop()
        below = {child: name for child, (parent, name) in parents.items() if parent == at}
        found |= below
        todo += below
    return found


def disturbed(workspace: Path, runner: str, stage: str, strike: Callable[[subprocess.Popen[str]], bool]) -> str:
    """Run the meta profile, strike once when the second sleeve begins *stage*; return what it said."""
    command = [sys.executable, "-m", "quantflow", *COMMAND, "--runner", runner]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=workspace, env=bare_environment(), **pipes)  # type: ignore[call-overload]
    until = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if begun(workspace, stage) and strike(process):
            break
        time.sleep(0.002)
    try:
        _, stderr = process.communicate(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail("the run did not end")
    assert process.returncode in (0, 20, 30), stderr
    assert "Traceback" not in stderr
    return str(stderr)


@pytest.mark.parametrize("cell", WORKERS)
def test_a_worker_dies_in_any_stage(cell: str, portfolio: Path, quiet: bytes) -> None:
    """A sleeve's worker is killed or terminated in a stage: the run completes, or is resumed to the same bytes."""
    what, stage, runner = cell.split("-")
    number = signal.SIGKILL if what.endswith("kill") else signal.SIGTERM

    def strike(process: subprocess.Popen[str]) -> bool:
        pid = owner(portfolio)
        if pid is not None and pid != process.pid:
            os.kill(pid, number)
        return pid is not None

    disturbed(portfolio, runner, stage, strike)
    check(portfolio, quiet)


@pytest.mark.parametrize("cell", DAEMONS)
def test_a_process_of_ray_dies(cell: str, portfolio: Path, quiet: bytes) -> None:
    """Ray's node or control process is killed under the run: it ends in minutes at most, and is resumed."""
    daemon, stage, runner = cell.split("-")

    def strike(process: subprocess.Popen[str]) -> bool:
        for pid, name in descendants(process.pid).items():
            if name == daemon:
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    disturbed(portfolio, runner, stage, strike)
    check(portfolio, quiet)


@pytest.mark.parametrize(("place", "when", "what"), DRIVER)
def test_a_planted_fault_in_a_meta_stage_is_survived(
    place: str, when: str, what: str, portfolio: Path, quiet: bytes
) -> None:
    """A fault before or after any step of the stages that make one portfolio of the sleeves."""
    command = [*FAULTY, place, when, what, "--", *COMMAND]
    hit = subprocess.run(
        [*command, "--runner", "local"],
        cwd=portfolio,
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )
    expected = {"kill": (-9,), "term": (143,), "int": (130,), "full": (30,), "server": (0, 30)}
    assert hit.returncode in expected[what], hit.stderr
    assert "Traceback" not in hit.stderr
    check(portfolio, quiet)


def test_many_runs_at_once_share_a_workspace(fresh: Path) -> None:
    """Sixteen runs, four distinct settings: all complete, and each compute stage is executed once per distinct key."""
    variants = [f"policy.top_n={n}" for n in (1, 2, 3, 4)]
    processes = []
    for number in range(RUNS_AT_ONCE):
        settings = [*SMALL, variants[number % len(variants)]]
        words = [word for setting in settings for word in ("--set", setting)]
        command = [sys.executable, "-m", "quantflow", "select", "-p", "demo", "--run-id", f"r{number}", *words]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, cwd=fresh, env=bare_environment(), **pipes))  # type: ignore[call-overload]
    said = [process.communicate(timeout=1200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * RUNS_AT_ONCE, said
    runs = [open_run(fresh, f"r{number}") for number in range(RUNS_AT_ONCE)]
    executed: Counter[str] = Counter()
    keys: set[str] = set()
    for run in runs:
        for name in SELECTION[:-1]:
            stage = run.stages[name]
            assert stage is not None
            if name not in ("ingestion", "synthesis"):
                keys.add(f"{name}:{stage.key}")
                executed[f"{name}:{stage.key}"] += not stage.cached
    assert set(executed.values()) == {1}
    assert len(keys) == 3 + 4 * 3
    assert len({weights(fresh, f"r{number}") for number in range(RUNS_AT_ONCE)}) == len(variants)
