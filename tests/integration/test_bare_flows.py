"""The flows called as Prefect users call flows: by themselves, and served."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from processes import TWO_SLEEVES, bare_environment, shown_to
from quantflow.runs.kinds import open_run
from quantflow.server.server import ApiServer

BARE = """
from quantflow.errors import ConfigError
from quantflow.flows.meta import meta_flow
from quantflow.flows.selection import selection_flow

if __name__ == "__main__":
    assert selection_flow("small", "one") == "one"
    assert selection_flow("small", "one") == "one"
    try:
        selection_flow("narrow", "one")
    except ConfigError as error:
        print("refused:", error)
    print("portfolio:", meta_flow("two"))
"""

SERVED = """
import sys
from quantflow.flows.selection import selection_flow

selection_flow.serve(name="by-serve", parameters={"profile": "small", "run_id": "served", "workspace": sys.argv[1]})
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace with two profiles and a meta profile of both."""
    (tmp_path / "quantflow.toml").write_text(TWO_SLEEVES)
    return tmp_path


def test_a_flow_called_by_itself_creates_its_run_or_continues_it(home: Path, server: ApiServer) -> None:
    """``selection_flow("small", "one")`` and ``meta_flow("two")``; never another profile's run under that id."""
    environment = {**bare_environment(), **shown_to(server)}
    (home / "bare.py").write_text(BARE)
    found = subprocess.run(
        [sys.executable, "bare.py"], cwd=home, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert found.returncode == 0, found.stderr
    words = dict(line.split(": ", 1) for line in found.stdout.splitlines() if ": " in line)
    assert words["refused"] == "Run one is of profile 'small', not of 'narrow'."
    one, portfolio = open_run(home, "one"), open_run(home, words["portfolio"])
    assert (one.state, portfolio.state) == ("completed", "completed")
    assert [event["event"] for event in one.events()].count("run.completed") == 2
    (small,) = (sleeve.run for sleeve in portfolio.sleeves if sleeve.name == "small")
    assert small.outputs["weights"].sha256 == one.outputs["weights"].sha256


def test_a_served_flow_runs_as_a_deployment(home: Path, server: ApiServer) -> None:
    """``selection_flow.serve``, then ``prefect deployment run``."""
    environment = {**bare_environment(), **shown_to(server)}
    command = [sys.executable, "-m", "prefect", "deployment", "run", "Selection Flow/by-serve", "--watch"]
    with (
        (home / "serve.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-c", SERVED, str(home)],
            cwd=home,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as serving,
    ):
        try:
            assert serving.stdout is not None
            next(line for line in serving.stdout if "polling" in line.lower())
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        finally:
            serving.terminate()
            serving.communicate()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert open_run(home, "served").state == "completed"
