"""One pace for all processes of a machine."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from quantflow.data.rate_limit import SharedPace
from quantflow.errors import InfrastructureError

TAKE = (
    "import sys, time; from pathlib import Path; from quantflow.data.rate_limit import SharedPace;"
    "pace = SharedPace('x', 0.02, Path(sys.argv[1]));"
    "[(pace.take(), print(time.time(), flush=True)) for _ in range(10)]"
)


def test_processes_take_turns(tmp_path: Path) -> None:
    """Turns of three processes are never closer than the interval allows in all."""
    jobs = [
        subprocess.Popen([sys.executable, "-c", TAKE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    turns = sorted(float(line) for job in jobs for line in job.communicate(timeout=60)[0].split())
    assert len(turns) == 30
    for start in range(20):
        assert turns[start + 10] - turns[start] >= 9 * 0.02


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, without waiting them."""
    seconds: list[float] = []
    monkeypatch.setattr("quantflow.data.rate_limit.time.sleep", seconds.append)
    return seconds


def test_cost_and_pause_move_the_next_turn(tmp_path: Path, slept: list[float]) -> None:
    """A turn takes the interval times its cost; a pause holds everybody back, two minutes at most."""
    pace = SharedPace("a/b:1", 1.0, tmp_path)
    pace.take(3)
    SharedPace("a/b:1", 1.0, tmp_path).take()
    pace.pause(9999)
    pace.take()
    SharedPace("other", 1.0, tmp_path).take()
    assert slept == pytest.approx([0, 3, 4 + 120, 0], abs=0.5)
    assert {path.name for path in tmp_path.iterdir()} == {"a_b_1.pace", "other.pace"}


@pytest.mark.parametrize("text", ["", "rubbish", pytest.param(str(time.time() + 1e6), id="far ahead"), "nan"])
def test_a_damaged_file_or_a_clock_set_back_holds_nobody(tmp_path: Path, slept: list[float], text: str) -> None:
    """What cannot be a moment near now is taken for now."""
    (tmp_path / "x.pace").write_text(text)
    SharedPace("x", 1.0, tmp_path).take()
    assert slept == pytest.approx([0], abs=0.5)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A folder in its place, or a link put there, is an error that names it."""
    (tmp_path / "x.pace").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InfrastructureError, match=r"x\.pace"):
        SharedPace("x", 1.0, tmp_path).take()
