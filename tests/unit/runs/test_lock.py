"""One owner per run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from quantflow.errors import LockedError
from quantflow.runs.lock import no_removal, owned, owner, removal, waited_for

HOLD = (
    "import sys, time; from pathlib import Path; from quantflow.runs.lock import owned;"
    "hold = owned(Path(sys.argv[1])); hold.__enter__(); print('held', flush=True); time.sleep(60)"
)


def hold(folder: Path) -> None:
    with owned(folder):
        pass


def test_a_second_owner_is_refused_at_once_and_told_who_the_first_is(tmp_path: Path) -> None:
    """The error names process, host and time of the owner, and has exit code 75; another thread is another owner."""
    with owned(tmp_path), ThreadPoolExecutor(1) as other:
        error = other.submit(hold, tmp_path).exception()
    assert isinstance(error, LockedError)
    assert str(os.getpid()) in error.message
    assert error.exit_code == 75


def test_a_block_within_an_owner_is_part_of_it(tmp_path: Path) -> None:
    """Whoever created a run owns it while a flow of the same thread, which takes the lock too, executes it."""
    with owned(tmp_path):
        hold(tmp_path)
        assert owner(tmp_path) is not None, "the inner block must not free the lock"
    assert owner(tmp_path) is None


def test_looking_at_a_run_never_refuses_its_owner(tmp_path: Path) -> None:
    """``inspect`` and the like ask who owns a run; a run that starts at that moment is not taken for locked."""
    looking = Event()
    looking.set()

    def look() -> None:
        while looking.is_set():
            owner(tmp_path)

    with ThreadPoolExecutor(2) as others:
        for _ in range(2):
            others.submit(look)
        try:
            for _ in range(2000):
                hold(tmp_path)
        finally:
            looking.clear()


def test_a_lock_file_that_was_removed_locks_nothing(tmp_path: Path) -> None:
    """Once the file is gone a new one is the lock: whoever opened the old one in time must not own the run too."""
    with owned(tmp_path):
        (tmp_path / "lock").unlink()
        with ThreadPoolExecutor(1) as other:
            assert other.submit(hold, tmp_path).exception() is None


def test_waiting_for_a_lock_ends_in_words(tmp_path: Path) -> None:
    """A lock that does not become free is an error that names who took it; those who share it do not wait."""
    path = tmp_path / "locks" / "one"
    with waited_for(path, 1.0), pytest.raises(LockedError, match=f"process {os.getpid()} "), waited_for(path, 0.05):
        pass
    with waited_for(path, 0.0, shared=True), waited_for(path, 0.0, shared=True):
        pass


def test_runs_start_and_are_removed_one_after_the_other(tmp_path: Path) -> None:
    """While ``gc`` looks and removes, no run starts or is published; many runs start at once."""
    order: list[str] = []

    def remove() -> None:
        with removal(tmp_path):
            order.append("removed")

    with ThreadPoolExecutor(1) as other:
        with no_removal(tmp_path), no_removal(tmp_path):
            gone = other.submit(remove)
            time.sleep(0.1)
            order.append("started")
        gone.result()
    assert order == ["started", "removed"]


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
