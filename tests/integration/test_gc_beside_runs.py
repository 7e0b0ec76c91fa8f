"""``gc`` in a loop beside runs that start, run, and are published: nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from processes import bare_environment, run_cli
from quantflow.runs.book import broken, current
from quantflow.runs.find import find_run

SELECTS, AT_ONCE = (40, 4) if "FULL_FAULTS" in os.environ else (6, 3)
"""The many are for ``nox -s faults``: they take some minutes."""

PROFILES = """
[profiles.mine]
extends = "demo"
[profiles.mine.data]
start = 2019-01-01
[profiles.mine.validation]
min_history = 504
[profiles.mine.rebalance]
every = "quarterly"

[meta.both]
sleeves = [{ profile = "mine" }]
execution = { runner = "local", workers = 1 }
"""


def gc_for_ever(workspace: Path, keep: int) -> subprocess.Popen[str]:
    """Start a shell that runs ``gc`` again and again, until one fails or it is ended."""
    command = f"while {sys.executable} -m quantflow gc --keep {keep}; do :; done"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(["sh", "-c", command], cwd=workspace, env=bare_environment(), text=True, **pipes)


@pytest.mark.parametrize("keep", [0, 1])
def test_gc_in_a_loop_beside_runs_loses_nothing(keep: int, tmp_path: Path) -> None:
    """Every select and every meta run ends with 0 and is published, and no ``gc`` fails."""
    (tmp_path / "quantflow.toml").write_text(PROFILES)
    loop = gc_for_ever(tmp_path, keep)

    def run(number: int) -> subprocess.CompletedProcess[str]:
        if number % 5 == 4:
            return run_cli("meta", "-m", "both", "--force", cwd=tmp_path, timeout=600)
        force = ["--force"] if number % 2 else []
        return run_cli("select", "-p", "mine", *force, cwd=tmp_path, timeout=600)

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            ended = list(pool.map(run, range(SELECTS)))
        time.sleep(1.0)
        assert loop.poll() is None, loop.communicate()[1]
    finally:
        loop.terminate()
        out, err = loop.communicate(timeout=60)
    for each in ended:
        assert each.returncode == 0, each.stderr
        assert "book  " in each.stdout or "already done" in each.stdout, each.stdout
    assert "Traceback" not in err
    assert out.strip(), "no run was removed: the test shows nothing"
    assert broken(tmp_path) == []
    for profile in ("mine", "both"):
        book = current(tmp_path, profile)
        assert book is not None
        assert find_run(tmp_path, book.run_id).state == "completed"
