"""What is locked in a workspace: a run by its owner, and the removal of runs against their start."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from quantflow.data.store import private_folder
from quantflow.errors import InfrastructureError, LockedError
from quantflow.locks import FileLock

REMOVAL_SECONDS = 600.0
"""How long a run that starts waits for ``gc`` to end, and ``gc`` for runs that are just starting."""

_UNKNOWN: Mapping[str, object] = {"pid": 0, "host": "unknown", "since": "unknown", "boot_id": ""}

_owned: set[tuple[int, int, Path]] = set()
"""Which folders are owned here: process (a fork inherits the set, not the lock), thread, folder."""


@contextmanager
def owned(run_folder: Path) -> Iterator[None]:
    """Own the run in *run_folder* until the block ends; within a block of the same thread that owns it, do nothing.

    The lock is the kernel's, so a dead owner, a reboot or a recycled process id never holds it. The text in
    the file only names the owner.

    Raises:
        LockedError: At once, naming the owner, when another process or thread owns the run.
        InfrastructureError: If the lock file cannot be opened.
    """
    mine = _me_and(run_folder)
    if mine in _owned:
        yield
        return
    with _taken(run_folder / "lock") as lock:
        _owned.add(mine)
        try:
            _sign(lock)
            yield
        finally:
            _owned.discard(mine)


def is_owned_here(run_folder: Path) -> bool:
    """Whether this thread owns the run."""
    return _me_and(run_folder) in _owned


def _me_and(run_folder: Path) -> tuple[int, int, Path]:
    return os.getpid(), threading.get_ident(), run_folder.absolute()


def owner(run_folder: Path) -> Mapping[str, object] | None:
    """Return who owns the run now (pid, host, since, boot_id); None when no live process does."""
    try:
        lock = FileLock(run_folder / "lock", create=False)
    except OSError:
        return None
    with lock:
        return None if lock.take(shared=True) else _signature(lock)


@contextmanager
def waited_for(path: Path, seconds: float, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file *path* until the block ends, after waiting for those who hold it.

    Args:
        path: The file.
        seconds: How long to wait.
        shared: Whether others may hold it too, who share it as well.

    Raises:
        LockedError: If it was not free in time, naming who signed it last.
        InfrastructureError: If the file cannot be opened.
    """
    private_folder(path.parent)
    with _opened(path) as lock:
        if not lock.take(shared=shared, seconds=seconds):
            who = _signature(lock)
            raise LockedError(
                f"{path} was not free within {seconds:.0f} s; process {who['pid']} on {who['host']} "
                f"took it last, at {who['since']}.",
                hint="Run the command again once that process has ended.",
                owner=who,
            )
        if not shared:
            _sign(lock)
        yield


@contextmanager
def no_removal(workspace: Path) -> Iterator[None]:
    """Keep ``gc`` from choosing and removing runs until the block ends; wait for one in progress.

    For what must not be long: choosing a run, starting it, publishing it. A run in progress is kept by its own lock.
    """
    with waited_for(workspace / ".quantflow" / "gc.lock", REMOVAL_SECONDS, shared=True):
        yield


@contextmanager
def removal(workspace: Path) -> Iterator[None]:
    """Keep runs from being chosen, started or published until the block ends; wait for those that just are."""
    with waited_for(workspace / ".quantflow" / "gc.lock", REMOVAL_SECONDS):
        yield


def _taken(path: Path) -> FileLock:
    """Return the lock of a run, held; never that of a file which was removed before it could be locked."""
    while True:
        lock = _opened(path)
        try:
            if lock.take():
                if lock.is_current:
                    return lock
            elif not lock.take(shared=True):  # else it was only being read, by ``owner`` in another process
                raise _locked(path.parent.name, _signature(lock))
        except BaseException:
            lock.close()
            raise
        lock.close()


def _opened(path: Path) -> FileLock:
    try:
        return FileLock(path)
    except OSError as error:
        raise InfrastructureError(
            f"The lock {path} cannot be opened: {error.strerror}.",
            hint="Free space or correct the folder's permissions, then run the command again.",
        ) from error


def _sign(lock: FileLock) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id")
    me = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "boot_id": boot.read_text().strip() if boot.exists() else "",
    }
    with suppress(OSError):  # on a full disk too the lock is held, and ``gc`` can free space
        lock.write(json.dumps(me).encode())


def _signature(lock: FileLock) -> Mapping[str, object]:
    try:
        found = json.loads(lock.read())
    except (OSError, ValueError, RecursionError):
        return _UNKNOWN
    return found if isinstance(found, dict) and {"pid", "host", "since"} <= found.keys() else _UNKNOWN


def refuse_locked(run_folder: Path) -> None:
    """Refuse to touch a run that a live process owns.

    Raises:
        LockedError: Naming the owner.
    """
    if who := owner(run_folder):
        raise _locked(run_folder.name, who)


def _locked(run_id: str, who: Mapping[str, object]) -> LockedError:
    return LockedError(
        f"Run {run_id} is being worked on by process {who['pid']} on {who['host']} since {who['since']}.",
        hint=f"Follow it with: quantflow inspect {run_id}",
        owner=who,
    )
