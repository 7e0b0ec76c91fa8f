"""Worker processes without Ray."""

from __future__ import annotations

import multiprocessing
import os
import threading
from functools import cache
from multiprocessing.connection import wait


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
