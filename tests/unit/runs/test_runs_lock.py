"""One owner per run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quantflow.errors import LockedError
from quantflow.runs.lock import owned, owner

HOLD = (
    "import sys, time; from pathlib import Path; from quantflow.runs.lock import owned;"
    "hold = owned(Path(sys.argv[1])); hold.__enter__(); print('held', flush=True); time.sleep(60)"
)


def test_a_second_owner_is_refused_at_once_and_told_who_the_first_is(tmp_path: Path) -> None:
    """The error names process, host and time of the owner, and has exit code 75."""
    with owned(tmp_path), pytest.raises(LockedError, match=str(os.getpid())) as caught, owned(tmp_path):
        pass
    assert caught.value.exit_code == 75


def test_the_lock_is_free_after_the_block(tmp_path: Path) -> None:
    """Leaving the block frees the run."""
    with owned(tmp_path):
        assert owner(tmp_path) is not None
    assert owner(tmp_path) is None
    with owned(tmp_path):
        pass


def test_a_killed_owner_holds_nothing(tmp_path: Path) -> None:
    """After kill -9 of the owner the run is free, although the file still names it."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    who = owner(tmp_path)
    assert who is not None
    assert who["pid"] == child.pid
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert owner(tmp_path) is None
    assert json.loads((tmp_path / "lock").read_text())["pid"] == child.pid


def test_a_recycled_process_id_is_no_owner(tmp_path: Path) -> None:
    """A lock file that names a living process which does not hold it stops nobody."""
    (tmp_path / "lock").write_text(json.dumps({"pid": os.getppid(), "host": "here", "since": "now", "boot_id": ""}))
    assert owner(tmp_path) is None
    with owned(tmp_path):
        pass
