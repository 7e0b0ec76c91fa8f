"""Locks on files between processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantflow.locks import FileLock

HOLD = (
    "import sys, time; from pathlib import Path; from quantflow.locks import FileLock;"
    "lock = FileLock(Path(sys.argv[1])); lock.take(shared=bool(sys.argv[2:])); print('held', flush=True);"
    "time.sleep(60)"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a lock file lies."""
    return tmp_path / "lock"


@pytest.fixture
def lock(path: Path) -> Iterator[FileLock]:
    """A lock that nobody holds."""
    with FileLock(path) as lock:
        yield lock


def holder(path: Path, *kind: str) -> subprocess.Popen[bytes]:
    """A process that holds the lock."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(path), *kind], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    child.stdout.close()
    return child


def test_one_holder_excludes_all_others(path: Path, lock: FileLock) -> None:
    """A second exclusive or shared holder is refused at once, and let in once the first has closed."""
    with FileLock(path) as first:
        assert first.take()
        assert not lock.take()
        assert not lock.take(shared=True)
    assert lock.take()


def test_shared_holders_do_not_exclude_each_other(path: Path, lock: FileLock) -> None:
    """Two hold a shared lock; an exclusive one is refused until both have freed it."""
    with FileLock(path) as first, FileLock(path) as second:
        assert first.take(shared=True)
        assert second.take(shared=True)
        assert not lock.take()
        first.free()
        assert not lock.take()
        second.free()
        assert lock.take()


def test_a_killed_holder_holds_nothing(path: Path, lock: FileLock) -> None:
    """The kernel frees the lock of a process that is killed; who waits for it gets it."""
    child = holder(path)
    assert not lock.take()
    child.send_signal(signal.SIGKILL)
    assert lock.take(seconds=10.0)
    child.wait()


def test_waiting_takes_as_long_as_it_was_given(path: Path, lock: FileLock) -> None:
    """A wait ends after its seconds when the lock is not freed."""
    with FileLock(path) as first:
        first.take()
        began = time.monotonic()
        assert not lock.take(seconds=0.1)
        assert 0.1 <= time.monotonic() - began < 5.0


def test_a_wait_without_end_ends_with_the_holder(path: Path, lock: FileLock) -> None:
    """Without a limit the lock is waited for until its holder ends."""
    child = holder(path, "shared")
    assert lock.take(shared=True, seconds=None), "they share it"
    child.terminate()
    assert lock.take(seconds=None)
    child.wait()


def test_a_file_that_was_replaced_is_not_current(path: Path, lock: FileLock) -> None:
    """A lock on a file that was removed, or removed and made again, is told apart from the one at the path."""
    assert lock.is_current
    path.unlink()
    assert not lock.is_current
    with FileLock(path) as other:
        assert other.is_current
        assert not lock.is_current


def test_looking_creates_nothing(path: Path) -> None:
    """Without ``create`` a missing file is an error, and stays missing."""
    with pytest.raises(FileNotFoundError):
        FileLock(path, create=False)
    assert not path.exists()


def test_a_link_is_not_a_lock(path: Path, tmp_path: Path) -> None:
    """What somebody else put in the place of a lock file is neither created nor written."""
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        FileLock(path)
    assert not (tmp_path / "elsewhere").exists()


def test_only_its_user_can_open_it(path: Path, lock: FileLock) -> None:
    """A lock file is private, since another user who opens it could hold it."""
    assert path.stat().st_mode & 0o077 == 0


def test_contents_are_replaced_whole(lock: FileLock) -> None:
    """A shorter text leaves nothing of the longer one before it."""
    lock.write(b"a long text")
    lock.write(b"short")
    assert lock.read() == b"short"
