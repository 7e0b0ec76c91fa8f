"""A pace that all processes of one user on this machine keep together, e.g. towards one exchange."""

from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path

from quantflow.errors import InfrastructureError
from quantflow.locks import FileLock

_LONGEST_PAUSE = 120.0
_LONGEST_QUEUE = 600.0
"""Seconds; a next turn further away than this means that the clock was set back."""


class SharedPace:
    """Turns that are handed out one after another, across processes, by a file that says when the next one is.

    Args:
        name: What the pace is kept towards; the same name is the same pace.
        interval: Seconds that a turn of cost 1 takes.
        folder: Where the file lies; a folder of the user's own below the system's temporary one when None.
    """

    def __init__(self, name: str, interval: float, folder: Path | None = None) -> None:
        self.interval = interval
        home = folder or Path(tempfile.gettempdir()) / f"quantflow-{os.getuid()}"
        self._path = home / f"{re.sub(r'[^A-Za-z0-9.-]', '_', name)}.pace"

    def take(self, cost: float = 1.0) -> None:
        """Wait for the next turn and take it.

        Args:
            cost: How many turns' time it takes.

        Raises:
            InfrastructureError: If the file cannot be written.
        """
        time.sleep(self._book(self.interval * cost))

    def pause(self, seconds: float) -> None:
        """Let no process have a turn for some time, two minutes at most: longer is for whoever retries to wait."""
        self._book(min(seconds, _LONGEST_PAUSE))

    def _book(self, seconds: float) -> float:
        """Move the next turn away by *seconds*; return how long it is until the one before."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(self._path) as lock:
                lock.take(seconds=None)
                now = time.time()
                turn = max(now, _moment(lock.read(), now))
                lock.write(f"{turn + seconds:020.6f}".encode())
        except OSError as error:
            raise InfrastructureError(
                f"{self._path} cannot be written: {error.strerror or error}.", hint="Fix or remove that file."
            ) from error
        return turn - now


def _moment(text: bytes, now: float) -> float:
    try:
        moment = float(text)
    except ValueError:
        return now
    return moment if moment - now <= _LONGEST_QUEUE else now
