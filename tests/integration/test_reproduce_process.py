"""Reproducing runs in processes of their own, as a user does."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest

from processes import run_cli
from quantflow.runs.record import RunRecord
from quantflow.runs.run import Run
from ran import ran


def reproduced(workspace: Path, run_id: str, *options: str) -> tuple[int, dict[str, Any]]:
    done = run_cli("reproduce", run_id, "--json", *options, cwd=workspace)
    assert done.stderr == ""
    assert not list((workspace / ".quantflow").glob(".tmp-*"))
    return done.returncode, json.loads(done.stdout)


def test_a_run_of_the_flow_is_certified_by_a_process_without_one(prepared: Path) -> None:
    """Exit code 0: each stage that computes gives the bytes that a Prefect run recorded; the run is not touched."""
    folder = prepared / "runs" / "undisturbed"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, found = reproduced(prepared, "undisturbed")
    assert (code, found["same"], found["exact"], found["first"]) == (0, True, True, "")
    assert {row["verdict"] for row in found["stages"]} == {"given", "same", "not compared"}
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


PLUGIN = """
from quantflow.stages.allocation import AllocationStage


class Doubled(AllocationStage):
    def run(self, inputs, config):
        made = super().run(inputs, config)
        weights = made["weights"]
        return {**made, "weights": weights.assign(weight=weights["weight"] * FACTOR)}
"""
PROFILE = """
[profiles.own]
extends = "demo"
stages = ["own_of_test_reproduce:Doubled"]
[profiles.own.data]
start = 2019-01-01
[profiles.own.validation]
min_history = 504
[profiles.own.rebalance]
every = "quarterly"
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """A run whose weights are a plug-in's."""
    home = tmp_path_factory.mktemp("own")
    (home / "own_of_test_reproduce.py").write_text(PLUGIN.replace("FACTOR", "0.5"))
    (home / "quantflow.toml").write_text(PROFILE)
    return ran(home, profile="own")


def test_another_blas_kernel_is_compared_within_a_tolerance(own: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where linear algebra takes another kernel bits do change: numbers are compared within 1e-9, and it says so."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem" if platform.machine() == "x86_64" else "ARMV8")
    code, found = reproduced(own.workspace, own.id)
    assert (code, found["same"], found["exact"]) == (0, True, False)
    assert found["cpu"][0] != found["cpu"][1]
    assert "within 1e-9" in {row["verdict"] for row in found["stages"]}


def test_changed_code_of_a_plug_in_is_named(own: Run) -> None:
    """Exit code 1: the plug-in's stage is the first that differs, and its code the cause."""
    module = own.workspace / "own_of_test_reproduce.py"
    module.write_text(PLUGIN.replace("FACTOR", "0.25"))
    code, found = reproduced(own.workspace, own.id)
    assert (code, found["first"], found["cause"]) == (1, "allocation", "code: of the stage, or of what it imports")
    (row,) = [row for row in found["stages"] if row["stage"] == "allocation"]
    assert row["detail"].startswith("weights: weight of ")
