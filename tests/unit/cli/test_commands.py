"""The command line, as a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def quantflow(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    command = [sys.executable, "-m", "quantflow", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


HEAVY = {"prefect", "ray", "numpy", "pandas", "scipy", "numba", "pyarrow", "skfolio", "rich"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["select", "--help"], ["inspect", "--help"], ["check", "lookahead", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    """``--help`` imports neither the frameworks nor a numeric package."""
    code = (
        "import sys\nfrom quantflow.cli.main import app\n"
        f"try: app({arguments!r})\nexcept SystemExit: pass\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stderr.strip() == "[]"
    assert "Usage" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        (["select", "-p", "dmo"], "No profile named 'dmo'", "'demo'"),
        (["select", "-p", "demo", "--set", "policy.top_n=-3"], "policy.top_n = -3", "2"),
        (["select", "-p", "demo", "--set", "policy.topn=3"], "topn", "top_n"),
        (["select", "-p", "demo", "--set", "polcy.top_n=3"], "polcy", "policy"),
        (["select", "-p", "demo", "--set", "nonsense"], "nonsense", "="),
        (["select", "-p", "demo", "--as-of", "yesterday"], "yesterday", "YYYY-MM-DD"),
        (["select", "-p", "demo", "--as-of", "2999-01-01"], "2999-01-01", "earlier"),
        (["select", "-p", "demo", "--run-id", "../x"], "../x", "letters"),
        (["select", "-p", "../demo"], "../demo", ""),
        (["resume", "nothing"], "nothing", "Known"),
        (["resume"], "no runs", "quantflow select"),
        (["inspect", "nothing"], "nothing", "Known"),
        (["checks"], "no runs", "quantflow select"),
        (["check", "lookahead", "-p", "demo_met"], "No profile named 'demo_met'", "demo"),
    ],
)
def test_a_wrong_value_is_one_error_and_one_hint(arguments: list[str], says: str, hint: str, tmp_path: Path) -> None:
    """Exit 2, no traceback, and nothing has been started or left behind."""
    found = quantflow(*arguments, cwd=tmp_path)
    assert found.returncode == 2, found.stderr
    lines = found.stderr.strip().splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"], found.stderr
    assert says in lines[0]
    assert hint in lines[1]
    assert found.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_named_in_an_error(tmp_path: Path) -> None:
    """A bad value in quantflow.toml is reported with file, section, key, value and rule."""
    (tmp_path / "quantflow.toml").write_text('[profiles.us]\nextends = "demo"\n[profiles.us.policy]\ntop_n = -3\n')
    found = quantflow("select", "-p", "us", cwd=tmp_path)
    assert found.returncode == 2
    assert "quantflow.toml" in found.stderr
    assert "profiles.us.policy" in found.stderr
    assert "top_n = -3" in found.stderr


def test_a_traceback_comes_only_when_asked_for(tmp_path: Path) -> None:
    """``--debug`` anywhere on the line prints the traceback too."""
    plain, debug = (quantflow("inspect", "nothing", *extra, cwd=tmp_path) for extra in ([], ["--debug"]))
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert plain.returncode == debug.returncode == 2


def test_an_empty_workspace_has_no_runs(tmp_path: Path) -> None:
    """Listing nothing is not an error, and its JSON has the documented form."""
    found = quantflow("inspect", "--json", cwd=tmp_path)
    assert found.returncode == 0
    assert json.loads(found.stdout) == {"schema_version": 1, "event": "runs", "runs": []}


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        (["select", "-p", "demo_meta"], "'demo_meta' is a meta profile", "quantflow meta --meta-profile demo_meta"),
        (["meta", "-p", "demo"], "'demo' is a profile", "quantflow select --profile demo"),
        (["sweep", "-p", "demo_meta", "--over", "policy.top_n=1,2"], "is a meta profile", "quantflow meta"),
    ],
)
def test_a_profile_of_the_other_kind_is_named(arguments: list[str], says: str, hint: str, tmp_path: Path) -> None:
    """With the command that runs it."""
    found = quantflow(*arguments, cwd=tmp_path)
    assert found.returncode == 2
    assert says in found.stderr
    assert hint in found.stderr


def test_the_plan_of_a_meta_run_is_that_of_its_sleeves(tmp_path: Path) -> None:
    """A table per sleeve; nothing is written."""
    found = quantflow("meta", "-p", "demo_meta", "--dry-run", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    sleeves = [line for line in found.stdout.splitlines() if line.startswith("sleeve ")]
    assert [line.strip() for line in sleeves] == [
        f"sleeve {name}" for name in ("demo", "demo_momentum", "demo_low_vol", "demo_steady")
    ]
    assert not (tmp_path / "runs").exists()
