"""The first second of a run on a terminal, before there is anything to show of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from quantflow.ui.screen import Screen


@contextmanager
def waiting(mode: str, what: str) -> Iterator[Callable[[], None]]:
    """Say what is waited for, on a terminal that shows progress; yield what makes way for the view."""
    if mode != "live":
        yield lambda: None
        return
    status = Screen(stderr=True).status(what, spinner="dots")
    status.start()
    try:
        yield status.stop
    finally:
        status.stop()
