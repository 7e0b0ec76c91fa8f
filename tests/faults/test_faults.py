"""Faults at every place of a run: told truthfully, resumed to the same bytes, nothing left behind."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import libfaketime
import pytest

from processes import FAULTY, SMALL, bare_environment, processes_of, run_cli
from quantflow.pipeline.registry import SELECTION, StageRegistry
from quantflow.runs.kinds import open_run
from quantflow.runs.record import RunRecord

CACHED = tuple(name for name in SELECTION if StageRegistry.get(name).kind != "control")
COMMAND = ("select", "-p", "demo", "--run-id", "hit", *(part for key in SMALL for part in ("--set", key)))
PLANTED = [
    *[(f"record:{s}:running", "after", what) for s in SELECTION for what in ("kill", "term", "int", "server")],
    *[(f"artifact:{s}", when, "kill") for s in SELECTION for when in ("before", "after")],
    *[(f"record:{s}:done", when, "kill") for s in SELECTION for when in ("before", "after")],
    *[(f"cache:{s}", when, "kill") for s in CACHED for when in ("before", "after")],
    *[(f"report:{s}:Running", "before", "kill") for s in SELECTION],
    *[(f"report:{s}:Completed", "after", "kill") for s in SELECTION],
    *[(f"artifact:{s}", "before", what) for s in SELECTION for what in ("full", "readonly")],
    *[(f"export:{file}", when, "kill") for file in ("weights.csv", "report.html") for when in ("before", "after")],
    *[(f"record:{s}:done", "before", "torn") for s in ("ingestion", "policy", "validation")],
    ("header", "before", "full"),
]
DAMAGES = (
    "flip",
    "truncate",
    "remove",
    "swap",
    "tear-stage",
    "tear-header",
    "tear-events",
    "alter-header",
    "alter-stage",
)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a run that nothing disturbed."""
    home = tmp_path_factory.mktemp("quiet")
    done = run_cli(*COMMAND, cwd=home)
    assert done.returncode == 0, done.stderr
    return home


def digests(workspace: Path) -> dict[str, str]:
    run = open_run(workspace, "hit")
    assert run.state == "completed"
    found = {name: ref.sha256 for stage in run.stages.values() if stage for name, ref in stage.outputs.items()}
    del found["report"], found["brief"]  # they name times
    weights = (workspace / "runs" / "hit" / "weights.csv").read_bytes()
    return {**found, "weights.csv": hashlib.sha256(weights).hexdigest()}


def told(workspace: Path) -> str:
    shown = run_cli("inspect", "hit", "--json", cwd=workspace)
    assert shown.returncode == 0, shown.stderr
    return str(json.loads(shown.stdout)["state"])


def leftovers(workspace: Path) -> list[str]:
    until = time.monotonic() + 10
    while processes_of(workspace) and time.monotonic() < until:
        time.sleep(0.1)
    temporary = [str(path) for path in workspace.rglob(".tmp-*")]
    return processes_of(workspace) + temporary


def check(workspace: Path, quiet: Path) -> None:
    """Whatever happened: the truth is told, one command continues, and the result is the quiet run's."""
    if (workspace / "runs" / "hit" / "run.json").exists() or (workspace / "runs" / "hit" / "events.jsonl").exists():
        assert told(workspace) != "running"
        resumed = run_cli("resume", "hit", cwd=workspace)
    else:  # it died before there was a run
        resumed = run_cli(*COMMAND, cwd=workspace)
    assert resumed.returncode == 0, resumed.stderr
    assert digests(workspace) == digests(quiet)
    assert leftovers(workspace) == []


@pytest.mark.parametrize(("place", "when", "what"), PLANTED)
def test_a_planted_fault_is_survived(place: str, when: str, what: str, fresh: Path, quiet: Path) -> None:
    """A fault before or after any step that leaves a trace."""
    command = [*FAULTY, place, when, what, "--", *COMMAND]
    at = time.monotonic()
    hit = subprocess.run(
        command, cwd=fresh, env=bare_environment(), capture_output=True, text=True, check=False, timeout=200
    )
    expected = {"kill": -9, "torn": -9, "term": 143, "int": 130, "full": 30, "readonly": 30}
    if what == "server":
        assert hit.returncode in (0, 30), hit.stderr
        assert time.monotonic() - at < 60
    else:
        assert hit.returncode == expected[what], hit.stderr
    assert "Traceback" not in hit.stderr
    check(fresh, quiet)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_on_disk_is_found_and_mended(damage: str, fresh: Path, quiet: Path) -> None:
    """Artifacts and records that were changed behind quantflow's back are not believed."""
    command = [*FAULTY, "record:validation:running", "after", "kill", "--"]
    subprocess.run([*command, *COMMAND], cwd=fresh, env=bare_environment(), capture_output=True, check=False)
    record = RunRecord(fresh, "hit")
    made = {name: record.stage(stage) for stage, name in (("features", "features"), ("inference", "scores"))}
    refs = [stage.outputs[name] for name, stage in made.items() if stage is not None]
    one, two = (fresh / ".quantflow" / "artifacts" / ref.uri for ref in refs)
    data = one.read_bytes()
    match damage:
        case "flip":
            one.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        case "truncate":
            one.write_bytes(data[: len(data) // 2])
        case "remove":
            one.unlink()
        case "swap":
            one.write_bytes(two.read_bytes())
            two.write_bytes(data)
        case "tear-stage":
            path = record.folder / "stages" / "2-features.json"
            path.write_bytes(path.read_bytes()[:100])
        case "tear-header":
            (record.folder / "run.json").write_bytes(b'{"schema_version": 1, "sta')
        case "alter-header":
            path = record.folder / "run.json"
            path.write_text(path.read_text().replace('"top_n": 2', '"top_n": 1'))
        case "alter-stage":
            path = record.folder / "stages" / "2-features.json"
            path.write_text(path.read_text().replace(refs[0].sha256, refs[1].sha256))
        case "tear-events":
            path = record.folder / "events.jsonl"
            path.write_bytes(path.read_bytes()[:-20])
    check(fresh, quiet)


@pytest.mark.parametrize("shift", ["-30h", "+30h"])
def test_a_clock_that_jumps_is_survived(shift: str, fresh: Path, quiet: Path) -> None:
    """A run under a clock that is wrong by more than a day is killed, and resumed under the right one."""
    library = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    assert library.exists()
    clock = {"LD_PRELOAD": str(library), "FAKETIME": shift, "DONT_FAKE_MONOTONIC": "1"}
    command = [*FAULTY, "record:validation:running", "after", "kill", "--"]
    hit = subprocess.run([*command, *COMMAND], cwd=fresh, env=bare_environment() | clock, check=False)
    assert hit.returncode == -9
    created = datetime.fromisoformat(RunRecord(fresh, "hit").header.created)
    assert abs(datetime.now(UTC) - created) > timedelta(hours=29)
    check(fresh, quiet)


def moments() -> Iterator[float]:
    random_numbers = random.Random(20261123)
    return (random_numbers.uniform(0.2, 9.0) for _ in range(30))


@pytest.mark.parametrize("seconds", [f"{moment:.2f}" for moment in moments()])
def test_a_kill_at_any_moment_is_survived(seconds: str, fresh: Path, quiet: Path) -> None:
    """kill -9 at a uniformly drawn time, wherever that is in the run."""
    process = subprocess.Popen(
        [sys.executable, "-m", "quantflow", *COMMAND],
        cwd=fresh,
        env=bare_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(float(seconds))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.wait()
    check(fresh, quiet)
