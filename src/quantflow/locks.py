"""Locks on files between processes: the kernel's, which it frees when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import math
import os
import time
from pathlib import Path
from typing import Self

NAP_SECONDS = 0.01
"""How often a lock is tried while waiting: during one blocking call a signal might go unnoticed."""


class FileLock:
    """An open lock file; closing it, or the death of the process, frees the lock.

    A thread of this process that opens the file again is another holder. The file stays, so that all who wait for it
    wait for the same lock.

    Args:
        path: The file.
        create: Whether to create a missing file; without it the file is opened read-only.

    Raises:
        OSError: If it cannot be opened, or is a symbolic link.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._fd = os.open(path, (os.O_RDWR | os.O_CREAT if create else os.O_RDONLY) | os.O_NOFOLLOW, 0o600)

    def take(self, *, shared: bool = False, seconds: float | None = 0.0) -> bool:
        """Take the lock, or exchange the one that is held for one of another kind; return whether that worked.

        Args:
            shared: Whether others may hold it too, who share it as well.
            seconds: How long to wait; None for as long as it takes.
        """
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        until = math.inf if seconds is None else time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    return False
                time.sleep(NAP_SECONDS)
            else:
                return True

    def free(self) -> None:
        """Free the lock; the file stays open."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    @property
    def is_current(self) -> bool:
        """Whether the file is still the one at its path: not removed, and not replaced, since it was opened."""
        return self.path.exists() and os.path.samestat(os.fstat(self._fd), self.path.stat())

    def read(self) -> bytes:
        """Return the file's first 4 KiB."""
        return os.pread(self._fd, 4096, 0)

    def write(self, data: bytes) -> None:
        """Replace the file's contents; not atomic, so for the holder of the lock.

        What was there stays where a full disk refuses the write.
        """
        os.pwrite(self._fd, data, 0)
        os.ftruncate(self._fd, len(data))

    def close(self) -> None:
        """Free the lock and close the file."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
