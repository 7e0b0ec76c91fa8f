"""Locks of a workspace: the kernel's, which it frees when their owner dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quantflow.data.store import private_folder
from quantflow.errors import InfrastructureError, LockedError

NAP_SECONDS = 0.01
"""How often a lock that is waited for is tried: a blocking call would leave signals unheard."""

REMOVAL_SECONDS = 600.0
"""How long a run that starts waits for ``gc`` to end, and ``gc`` for runs that are just starting."""

_owned: set[tuple[int, int, Path]] = set()
"""Which folders are owned here: process (a fork inherits the set, not the lock), thread, folder."""


@contextmanager
def owned(run_folder: Path) -> Iterator[None]:
    """Own the run in *run_folder* until the block ends; within a block of the same thread that owns it, do nothing.

    The lock is the kernel's, so a dead owner, a reboot or a recycled process id never holds it. The text in
    the file only says who the owner is.

    Raises:
        LockedError: At once, naming the owner, when another process or thread owns the run.
        InfrastructureError: If the lock file cannot be opened.
    """
    mine = _me_and(run_folder)
    if mine in _owned:
        yield
        return
    fd = _taken(run_folder / "lock")
    _owned.add(mine)
    try:
        _sign(fd)
        yield
    finally:
        _owned.discard(mine)
        os.close(fd)


def is_owned_here(run_folder: Path) -> bool:
    """Whether this thread owns the run."""
    return _me_and(run_folder) in _owned


def _me_and(run_folder: Path) -> tuple[int, int, Path]:
    return os.getpid(), threading.get_ident(), run_folder.absolute()


def owner(run_folder: Path) -> dict[str, Any] | None:
    """Return who owns the run now (pid, host, since, boot_id); None when no live process does."""
    path = run_folder / "lock"
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return None if _flock(fd, fcntl.LOCK_SH) else _read(path)
    finally:
        os.close(fd)


@contextmanager
def waited_for(path: Path, seconds: float, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file *path* until the block ends, after waiting for those who hold it.

    Args:
        path: The file; it stays, so that all who wait for it wait for the same lock.
        seconds: How long to wait.
        shared: Whether others may hold it too, who say so as well.

    Raises:
        LockedError: If it was not free in time, naming who signed it last.
        InfrastructureError: If the file cannot be opened.
    """
    private_folder(path.parent)
    fd = _opened(path)
    try:
        _wait(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, path, seconds)
        if not shared:
            _sign(fd)
        yield
    finally:
        os.close(fd)


@contextmanager
def no_removal(workspace: Path) -> Iterator[None]:
    """Keep ``gc`` from looking and removing until the block ends; wait for one that is at it.

    For what must not be long: choosing a run, starting it, publishing it. A run at work is kept by its own lock.
    """
    with waited_for(workspace / ".quantflow" / "gc.lock", REMOVAL_SECONDS, shared=True):
        yield


@contextmanager
def removal(workspace: Path) -> Iterator[None]:
    """Keep runs from being chosen, started or published until the block ends; wait for those that just are."""
    with waited_for(workspace / ".quantflow" / "gc.lock", REMOVAL_SECONDS):
        yield


def _taken(path: Path) -> int:
    """Return the open, locked lock file of a run; never one that was removed before it could be locked."""
    while True:
        fd = _opened(path)
        try:
            if _flock(fd, fcntl.LOCK_EX):
                if path.exists() and os.path.samestat(os.fstat(fd), path.stat()):
                    return fd
            elif not _flock(fd, fcntl.LOCK_SH):  # else it was only looked at, by ``owner`` in another process
                raise locked(path.parent.name, _read(path))
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InfrastructureError(
            f"The lock {path} cannot be opened: {error.strerror}.",
            hint="Free space or correct the folder's permissions, then run the command again.",
        ) from error


def _flock(fd: int, kind: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(fd: int, kind: int, path: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not _flock(fd, kind):
        if time.monotonic() >= until:
            who = _read(path)
            raise LockedError(
                f"{path} was not free within {seconds:.0f} s; process {who['pid']} on {who['host']} "
                f"took it last, at {who['since']}.",
                hint="Run the command again once that process has ended.",
                owner=who,
            )
        time.sleep(NAP_SECONDS)


def _sign(fd: int) -> None:
    with suppress(OSError):  # on a full disk too the lock is held, and ``gc`` can free space
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(_me()).encode(), 0)


def _me() -> dict[str, Any]:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "boot_id": boot.read_text().strip() if boot.exists() else "",
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        found = None
    known = isinstance(found, dict) and {"pid", "host", "since"} <= found.keys()
    return found if known else {"pid": 0, "host": "unknown", "since": "unknown", "boot_id": ""}


def locked(run_id: str, who: dict[str, Any]) -> LockedError:
    """Return the error that names the owner of a run."""
    return LockedError(
        f"Run {run_id} is being worked on by process {who['pid']} on {who['host']} since {who['since']}.",
        hint=f"Follow it with: quantflow inspect {run_id}",
        owner=who,
    )
