"""SIGINT and SIGTERM: the process stops in order, in any code that the signal happens to hit."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from quantflow.errors import Interrupted

_received: list[int] = []
_ours: list[bool] = []


def install() -> None:
    """Turn both signals into ``Interrupted`` from now on; for a process that is quantflow's own."""
    _ours.append(True)
    reclaim()


def reclaim() -> None:
    """Take the signals back from a library that has put its own handlers in; nothing if they never were ours."""
    if _ours and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)
        signal.signal(signal.SIGINT, _stop)


def received() -> int | None:
    """Return the first signal that came; None when none did.

    ``Interrupted`` may be raised inside code that turns it into an error of its own: this is the signal behind it.
    """
    return _received[0] if _received else None


def _stop(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise Interrupted(number)
