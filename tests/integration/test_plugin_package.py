"""The example package, built, installed and used as a stranger would: real processes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from packages import EXAMPLES, check_own_tests, unpacked_wheel
from processes import SMALL, bare_environment
from quantflow.runs.kinds import open_run
from quantflow.runs.run import Run

EXAMPLE = EXAMPLES / "plugin"
STAGES = ["ingestion", "dispersion", "features", "breadth", "inference", "clustering", "policy", "synthesis"]
SETS = [part for line in SMALL for part in ("--set", line)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of stages and a provider, unpacked."""
    return unpacked_wheel(EXAMPLE, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the package's own profiles."""
    folder = tmp_path_factory.mktemp("workspace")
    shutil.copy(EXAMPLE / "quantflow.toml", folder)
    return folder


def start(workspace: Path, site: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**bare_environment(), "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "quantflow", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=workspace, env=environment, **pipes)  # type: ignore[call-overload]


def run(workspace: Path, site: Path, *arguments: str) -> str:
    process = start(workspace, site, *arguments)
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return out


def plan(workspace: Path, site: Path) -> dict[str, str]:
    """What a resume of the finished run would do with each stage, and why."""
    out = json.loads(run(workspace, site, "resume", "killed", "--dry-run", "--json"))
    return {line["stage"]: line["reason"] for line in out["stages"]}


@pytest.fixture(scope="module")
def resumed(workspace: Path, site: Path) -> Run:
    """A run of the package's profile that was killed in its own stage's replacement, and resumed."""
    record = open_run(workspace, "killed")
    process = start(workspace, site, "select", "-p", "tilted", "--run-id", "killed", "--no-progress", *SETS)
    until = time.monotonic() + 120
    while not (record.exists and (found := record.stage("inference")) is not None and found.state == "running"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert record.again().state == "interrupted"
    run(workspace, site, "resume", "killed", "--no-progress")
    return open_run(workspace, "killed")


def test_a_killed_run_of_foreign_stages_is_resumed_in_another_process(resumed: Run) -> None:
    """The record names the stages of the package, and another process completes the run with them."""
    assert list(resumed.stages) == [*STAGES, "allocation", "validation", "report"]
    assert resumed.again().state == "completed"
    notes = resumed.stage("dispersion")
    assert notes is not None
    assert set(notes.outputs) == {"dispersion", "dispersion_notes"}
    assert set(resumed.stage("inference").fingerprint["inputs"]) == {"features", "breadth"}  # type: ignore[union-attr]


def test_a_second_run_takes_its_stages_from_the_cache(resumed: Run, workspace: Path, site: Path) -> None:
    """As a sleeve on Ray too: workers find the package, and give its code the same version."""
    run(workspace, site, "meta", "-m", "both", "--run-id", "portfolio", "--no-progress", *SETS)
    sleeve = open_run(workspace, "portfolio.tilted")
    assert sleeve.state == "completed"
    ours = ("dispersion", "breadth", "inference", "validation")
    assert {name: sleeve.stages[name].cached for name in ours} == dict.fromkeys(ours, True)  # type: ignore[union-attr]
    table = (resumed.folder / "weights.csv").read_bytes()
    assert (sleeve.folder / "weights.csv").read_bytes() == table


def test_a_changed_helper_misses_the_cache_and_a_changed_comment_does_not(
    resumed: Run, workspace: Path, site: Path, tmp_path: Path
) -> None:
    """What counts is what the package's code says, however deep it is imported."""
    copy = shutil.copytree(site, tmp_path / "site")
    helper = copy / "quantflow_example" / "trend.py"
    text = helper.read_text()
    helper.write_text(
        text.replace("    sums = np", "    # another comment\n    sums = np").replace("Closes,", "Prices,")
    )
    assert helper.read_text() != text
    assert set(plan(workspace, copy).values()) == {"complete"}
    helper.write_text(text.replace("close > sums", "close >= sums"))
    found = plan(workspace, copy)
    assert (found["breadth"], found["validation"]) == ("code_changed", "code_changed")
    assert (found["dispersion"], found["features"], found["clustering"]) == ("complete",) * 3


def test_without_the_package_nothing_is_started(resumed: Run, workspace: Path, tmp_path: Path) -> None:
    """Where the package is not installed the error says so, with exit code 2."""
    process = start(workspace, tmp_path, "select", "-p", "tilted", "--run-id", "absent")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "No installed package registers a stage named 'breadth'" in errors
    assert not open_run(workspace, "absent").exists


def test_the_package_passes_its_own_tests(site: Path) -> None:
    """The contract suites that quantflow ships hold for what the example shows."""
    check_own_tests(EXAMPLE, site)


def test_a_manifest_becomes_profiles_that_load(tmp_path: Path) -> None:
    """The importer's wheel works beside an installed quantflow, and passes its own tests."""
    importer = unpacked_wheel(EXAMPLES / "manifest", tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"profiles": {"core": {"selection": {"top_n": 4}}}}))
    command = [sys.executable, "-m", "quantflow_manifest", "manifest.json"]
    environment = {**bare_environment(), "PYTHONPATH": str(importer)}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=120)
    assert "all can be used: core" in run(tmp_path, importer, "profiles", "validate")
    check_own_tests(EXAMPLES / "manifest", importer)
