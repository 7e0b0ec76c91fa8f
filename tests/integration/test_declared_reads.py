"""A class of another framework that reads what nobody hands it: never stale if declared, else computed by --force."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from processes import SMALL, run_cli
from quantflow.runs.find import list_runs
from quantflow.server.server import ApiServer

SETS = [part for line in SMALL for part in ("--set", line)]

MODULE = """
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from quantflow import ForeignStage, Kind

FILE = Path(__file__).with_name("tilt.txt")


class Context(BaseModel):
    tilt: Any = None


class Tilt:
    def execute(self, context):
        context.tilt = {"env": os.environ.get("TILT", ""), "file": FILE.read_text()}


class Silent(ForeignStage):
    id, kind = "tilt", Kind.COMPUTE
    foreign, context = Tilt, Context
    gives = {"tilt": "tilt"}


class Declared(Silent):
    reads_env = ("TILT",)
    reads_files = (FILE,)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two profiles: one whose wrapper says what the class reads, one whose wrapper does not."""
    (tmp_path / "theirs.py").write_text(MODULE)
    (tmp_path / "tilt.txt").write_text("one")
    profile = '[profiles.{}]\nextends = "demo"\nstages = ["theirs:{}"]\n'
    text = profile.format("declared", "Declared") + profile.format("silent", "Silent")
    (tmp_path / "quantflow.toml").write_text(text)
    return tmp_path


Tilt = Callable[..., tuple[dict[str, str], str]]


@pytest.fixture
def tilt(workspace: Path, server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Tilt:
    """Run a profile with a value of the variable; return what the stage gives, and how its run came to it."""

    def run(profile: str, value: str, *options: str) -> tuple[dict[str, str], str]:
        monkeypatch.setenv("TILT", value)
        before = {each.id for each in list_runs(workspace)}
        named = options or ("--run-id", f"run-{len(before)}")
        done = run_cli("select", "-p", profile, "--no-progress", *named, *SETS, cwd=workspace, server=server)
        assert done.returncode == 0, done.stderr
        (found,) = (each for each in list_runs(workspace) if each.id not in before)
        return dict(found.load("tilt")), found.stage_state("tilt")

    return run


def test_what_is_declared_is_never_stale(tilt: Tilt, workspace: Path) -> None:
    """Another value of the variable, or another content of the file, is computed anew; the same is reused."""
    assert tilt("declared", "a") == ({"env": "a", "file": "one"}, "completed")
    assert tilt("declared", "b") == ({"env": "b", "file": "one"}, "completed")
    (workspace / "tilt.txt").write_text("two")
    assert tilt("declared", "b") == ({"env": "b", "file": "two"}, "completed")
    assert tilt("declared", "b") == ({"env": "b", "file": "two"}, "cached")


def test_force_computes_what_nobody_declared(tilt: Tilt) -> None:
    """A class that says nothing of what it reads is served from the cache, and ``--force`` computes it."""
    assert tilt("silent", "a") == ({"env": "a", "file": "one"}, "completed")
    assert tilt("silent", "b") == ({"env": "a", "file": "one"}, "cached")
    assert tilt("silent", "b", "--force") == ({"env": "b", "file": "one"}, "completed")
