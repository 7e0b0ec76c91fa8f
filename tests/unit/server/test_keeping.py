"""What keeps a process that serves a workspace: asked again after it was let go, and told apart from one that ends."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantflow.locks import FileLock
from quantflow.server.keeping import LINGER_SECONDS, keep
from quantflow.server.server import gone

WAITING = "import sys, pathlib, quantflow.server.keeping as k; k.wait_until_unused(pathlib.Path(sys.argv[1]))"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder that tells of a process and its users."""
    return tmp_path


@pytest.fixture
def used(home: Path) -> Iterator[int]:
    """A process that lives as long as it is used or kept; this one uses it."""
    users = os.open(home / "users", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(users, fcntl.LOCK_SH)
    process = subprocess.Popen([sys.executable, "-c", WAITING, str(home)])
    yield process.pid
    os.close(users)
    process.kill()
    process.wait()


def kept(home: Path, pid: int) -> bool:
    until = time.monotonic() + 10
    while not (found := keep(home, pid)) and time.monotonic() < until:
        time.sleep(0.02)
    return found


def test_one_that_was_let_go_is_believed_only_when_it_says_so_again(used: int, home: Path) -> None:
    """What it said before it was let go counts no more: it may be about to end."""
    assert kept(home, used)
    assert keep(home, used)
    (home / "kept").unlink()
    assert not keep(home, used)
    assert kept(home, used)


def test_it_outlives_killed_users_for_a_moment(home: Path) -> None:
    """Who comes within that moment finds it; when nobody does, it ends."""
    first = FileLock(home / "users")
    assert first.take(shared=True)
    process = subprocess.Popen([sys.executable, "-c", WAITING, str(home)])
    time.sleep(1)
    first.close()
    time.sleep(LINGER_SECONDS / 2)
    second = FileLock(home / "users")
    assert second.take(shared=True, seconds=1)
    time.sleep(LINGER_SECONDS)
    assert process.poll() is None
    second.close()
    assert process.wait(timeout=30) == 0


def test_one_that_is_let_go_ends_at_once(home: Path) -> None:
    """Nobody is waited for then."""
    users = FileLock(home / "users")
    assert users.take(shared=True)
    process = subprocess.Popen([sys.executable, "-c", WAITING, str(home)])
    assert kept(home, process.pid)
    users.close()
    time.sleep(LINGER_SECONDS)
    assert process.poll() is None
    since = time.monotonic()
    (home / "kept").unlink()
    assert process.wait(timeout=30) == 0
    assert time.monotonic() - since < LINGER_SECONDS


def test_a_process_that_nobody_has_reaped_is_gone() -> None:
    """The first process of a container may not ask for what its children's children have become."""
    asks_never = "import subprocess, sys, time; print(subprocess.Popen(['true']).pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", asks_never], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    try:
        assert gone(int(parent.stdout.readline()), 5.0)
    finally:
        parent.kill()
        parent.communicate()
