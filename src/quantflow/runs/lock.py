"""One owner per run: an advisory file lock that the kernel frees when its owner dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quantflow.errors import LockedError


@contextmanager
def owned(run_folder: Path) -> Iterator[None]:
    """Own the run in *run_folder* until the block ends.

    The lock is the kernel's, so a dead owner, a reboot or a recycled process id never holds it. The text in
    the file only says who the owner is.

    Raises:
        LockedError: At once, naming the owner, when a live process owns the run.
    """
    path = run_folder / "lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise locked(run_folder.name, _read(path)) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(_me()).encode(), 0)
        yield
    finally:
        os.close(fd)


def owner(run_folder: Path) -> dict[str, Any] | None:
    """Return who owns the run now (pid, host, since, boot_id); None when no live process does."""
    path = run_folder / "lock"
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(fd)
    return None


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
    except (OSError, ValueError):
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
