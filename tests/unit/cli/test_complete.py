"""What Tab offers, asked for by a real bash with the function that Typer gives it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recorded import created

BASH = shutil.which("bash") or "bash"
PROGRAM = Path(sys.executable).with_name("quantflow")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``quantflow --show-completion`` prints in a bash: the completion function."""
    path = tmp_path_factory.mktemp("completion") / "quantflow.bash"
    shown = subprocess.run(
        [BASH, "-c", f"{PROGRAM} --show-completion; exit"], capture_output=True, text=True, check=True
    )
    path.write_text(shown.stdout)
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with profiles, a portfolio and three runs."""
    (tmp_path / "quantflow.toml").write_text("[profiles.mine]\nextends = 'demo'\n[meta.ours]\nsleeves = []\n")
    for number, run_id in enumerate(["20221227-b", "20221228-a", "20221228-a.mine"]):
        record = created(tmp_path, run_id, "mine", stages=("ingestion", "breadth"))
        os.utime(record.folder / "run.json", (number, number))
    (tmp_path / "runs" / "20221228-a" / "weights.csv").write_text("symbol,weight\nKO,0.5\nKR,0.5\n")
    return tmp_path


def offered(line: str, script: Path, cwd: Path, **environment: str) -> list[str]:
    """What bash has in ``COMPREPLY`` after Tab at the end of *line*; nothing may reach the terminal."""
    words = line.split(" ")
    typed = " ".join(f"'{word}'" for word in words)
    code = f"""source {script}
COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}
_quantflow_completion {PROGRAM}
printf '%s\\n' "${{COMPREPLY[@]}}" >&3"""
    read, write = os.pipe()
    with os.fdopen(read) as replies:
        found = subprocess.run(
            [BASH, "--norc", "-c", f"exec 3>&{write}; {code}"],
            cwd=cwd,
            env={**os.environ, **environment},
            pass_fds=(write,),
            capture_output=True,
            text=True,
            check=True,
        )
        os.close(write)
        assert found.stdout + found.stderr == ""
        return replies.read().split()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("quantflow resu", ["resume"]),
        ("quantflow profiles v", ["validate"]),
        ("quantflow select --dead", ["--deadline"]),
        ("quantflow meta --runner ", ["auto", "ray", "local"]),
        ("quantflow select --profile m", ["mine"]),
        ("quantflow select -p demo_s", ["demo_steady"]),
        ("quantflow meta -m ", ["ours", "demo_meta", "demo_long_short"]),
        ("quantflow profiles show o", ["ours"]),
        ("quantflow resume ", ["latest", "20221228-a", "20221227-b"]),
        ("quantflow reproduce ", ["latest", "20221228-a", "20221227-b"]),
        ("quantflow orders 20221228", ["20221228-a"]),
        ("quantflow orders --profile o", ["ours"]),
        ("quantflow serve --profile m", ["mine"]),
        ("quantflow diff 20221227-b 20221228", ["20221228-a"]),
        ("quantflow resume latest --from ", ["ingestion", "breadth"]),
        ("quantflow inspect 20221227-b --stage b", ["breadth"]),
        ("quantflow why K", ["KO", "KR"]),
    ],
)
def test_names_are_offered(line: str, names: list[str], script: Path, workspace: Path) -> None:
    """Commands, options and values: own profiles before built-in ones, runs newest first, stages of the run."""
    assert offered(line, script, workspace) == names


def test_another_workspace_is_looked_into(
    script: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """``--workspace`` before the word counts; so does a folder below the workspace."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert offered("quantflow resume 2", script, elsewhere) == []
    assert offered(f"quantflow resume --workspace {workspace} 20221227", script, elsewhere) == ["20221227-b"]
    (workspace / "notes").mkdir()
    assert offered("quantflow select --profile mi", script, workspace / "notes") == ["mine"]


LINES = ["quantflow select -p ", "quantflow resume 2", "quantflow stages show z", "quantflow why K"]


@pytest.mark.parametrize("line", LINES)
def test_nothing_disturbs_the_prompt(line: str, script: Path, workspace: Path) -> None:
    """Torn files, unknown names, wrong settings: nothing is offered then, and nothing is printed."""
    (workspace / "quantflow.toml").write_text("[profiles")
    shutil.rmtree(workspace / "runs")
    (workspace / "runs").write_text("no folder")
    assert offered(line, script, workspace, QUANTFLOW_LOG="nonsense") == []


@pytest.mark.parametrize("line", ["quantflow resume 2", "quantflow select --profile m", "quantflow why K"])
def test_it_is_quick(line: str, workspace: Path) -> None:
    """Nothing heavy is imported between Tab and the answer."""
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_QUANTFLOW_COMPLETE": "complete_bash"}
    environment = {**os.environ, **asked, "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run([PROGRAM], cwd=workspace, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout
    imported = {told.rpartition("|")[2].strip() for told in done.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"pandas", "numpy", "pyarrow", "prefect", "ray", "rich", "numba", "scipy"}
