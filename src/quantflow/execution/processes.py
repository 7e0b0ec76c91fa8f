"""Worker processes without Ray."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.connection import wait
from types import FrameType


@cache
def end_with_parent() -> bool:
    """End this process, if it is a pool's worker, as soon as the process that started it is dead; return whether it is.

    A pool stops its workers when it is closed; after kill -9 of its owner nobody closes it.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return False
    threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()
    return True


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


_heard: list[int] = []
"""The SIGINTs that this process has got as a worker: each means that the whole run ends."""


@contextmanager
def booting_workers() -> Iterator[None]:
    """Start workers inside which keep a SIGINT for ``begin_work``: while they boot it would end them with a traceback.

    A pool whose workers end so is broken, and before Python 3.11.5 closing it could wait for ever.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which threads and processes inherit
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_work() -> None:
    """Make this process a pool's worker that ends with its parent, also before its first part, and survives SIGINT."""
    end_with_parent()
    deaf()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def deaf() -> None:
    """Let a pool's worker only note SIGINT outside of ``interruptible``: a terminal sends it to all processes at once.

    ``KeyboardInterrupt`` in a library's code between two parts would come back to the parent as the result of a part,
    and end the thread there that stops the workers.
    """
    signal.signal(signal.SIGINT, _note)


def _note(number: int, frame: FrameType | None) -> None:
    _heard.append(number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _note(number, frame)
    deaf()  # the terminal sends one signal and the parent another: the second must not hit what the first has begun
    raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the first SIGINT raise ``KeyboardInterrupt`` inside, in a pool's worker; elsewhere nothing changes.

    Raises:
        KeyboardInterrupt: At once, if one came before. A pool hands out more parts than it has workers, and cannot take
            those back.
    """
    if multiprocessing.parent_process() is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    if _heard:
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        deaf()


def interrupt_workers() -> None:
    """Interrupt what the workers of this process's pools are doing."""
    for worker in multiprocessing.active_children():
        with suppress(ProcessLookupError):
            os.kill(worker.pid or 0, signal.SIGINT)
