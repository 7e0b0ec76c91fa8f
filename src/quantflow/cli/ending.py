"""How the process ends: at once when all is done, without taking the interpreter apart."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let the process end with the block's exit code right after all exit handlers that are registered from now on.

    Libraries have threads of their own, such as Arrow's, that may still release a Python object then. In an
    interpreter that is being finalized, that aborts the process: a run that was done would end with 134.

    Raises:
        SystemExit: As the block did.
    """
    code = 1

    def end() -> None:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        os._exit(code)

    atexit.register(end)  # first of all, so that it is called last
    try:
        yield
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        raise
    finally:
        if (colours := sys.modules.get("colorama.initialise")) is not None:
            atexit.unregister(colours.reset_all)  # its last word, a control sequence, would be shown and not obeyed
