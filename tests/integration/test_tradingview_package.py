"""The example of a TradingView system: its five stages in real processes, with settings from the environment."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from packages import EXAMPLES, check_own_tests, unpacked_wheel
from processes import bare_environment
from quantflow.runs.kinds import open_run

PACKAGE = EXAMPLES / "tradingview"
FIVE = ("tv_ingestion", "features", "inference", "clustering", "policy")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A search path with the package, as its wheel installs it, and stand-ins for the system's classes."""
    unpacked = unpacked_wheel(PACKAGE, tmp_path_factory.mktemp("wheel"))
    return os.pathsep.join((str(unpacked), str(PACKAGE / "tests" / "standin")))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a lakehouse."""
    lake = runpy.run_path(str(PACKAGE / "tests" / "lake.py"))
    folder = tmp_path_factory.mktemp("desk")
    lake["make_lake"](folder)
    shutil.copy(PACKAGE / "quantflow.toml", folder)
    return folder


def quantflow(workspace: Path, site: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**bare_environment(), "PYTHONPATH": site, "TV_HOME": str(workspace), **variables}
    command = [sys.executable, "-m", "quantflow", *arguments, "--no-progress"]
    return subprocess.run(
        command, cwd=workspace, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


SELECT = ("select", "-p", "tradingview", "--until", "allocation")


def reasons(workspace: Path, site: str, **variables: str) -> set[str]:
    """Why a resume of the second run would run each of the five, or keep it."""
    out = json.loads(quantflow(workspace, site, "resume", "two", "--dry-run", "--json", **variables).stdout)
    return {line["reason"] for line in out["stages"] if line["stage"] in FIVE}


def test_five_wrapped_stages_run_resume_are_cached_and_notice_a_variable(workspace: Path, site: str) -> None:
    """A failure is the stage's (exit code 20), a resume keeps the rest, and outside settings are part of the key."""
    failed = quantflow(workspace, site, *SELECT, "--run-id", "one", TV_CANDIDATES_FILE="missing.json")
    assert (failed.returncode, "FileNotFoundError" in failed.stderr) == (20, True)
    resumed = quantflow(workspace, site, "resume", "one")
    assert (resumed.returncode, "keep  ingestion\n" in resumed.stderr) == (0, True)
    one = open_run(workspace, "one")
    assert [one.stage_state(name) for name in FIVE] == ["completed"] * 5

    assert quantflow(workspace, site, *SELECT, "--run-id", "two").returncode == 0
    two = open_run(workspace, "two")
    assert [two.stage_state(name) for name in FIVE] == ["cached"] * 5
    assert reasons(workspace, site) == {"complete"}
    assert "complete" not in reasons(workspace, site, TV_TOP_N="1")
    (workspace / "manifest.json").write_text(json.dumps({"defaults": {"top_n": 1}}))
    assert "complete" not in reasons(workspace, site)
    assert quantflow(workspace, site, *SELECT, "--run-id", "three").returncode == 0
    three = open_run(workspace, "three")
    assert [three.stage_state(name) for name in FIVE] == ["completed"] * 5
    assert len(three.weights) == 4 < len(one.weights)


def test_the_package_passes_its_own_tests(site: str) -> None:
    """Contracts of stages and of the provider, ratings, and the files that others read."""
    check_own_tests(PACKAGE, Path(site.partition(os.pathsep)[0]))
