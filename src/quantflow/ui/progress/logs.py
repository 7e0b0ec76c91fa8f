"""Lines of a run's log on the screen, and beside its progress."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from quantflow.review.logs import LogLine, following
from quantflow.runs.run import Run


def print_log_line(line: LogLine, stream: TextIO | None = None) -> None:
    """Write a line of a log; to stdout when *stream* is None."""
    where = f"{line.sleeve}:{line.stage}" if line.sleeve else line.stage
    level = "" if line.level == "INFO" else f"{line.level} "
    (stream or sys.stdout).write(f"{line.at[11:19]} {where:<16} {level}{line.text}\n")


@contextmanager
def beside(run: Run) -> Iterator[None]:
    """Write a run's log to stderr while the block runs, which starts it and ends it."""
    thread = threading.Thread(target=_write, args=(run,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=1.0)


def _write(run: Run) -> None:
    for line in following(run):
        print_log_line(line, sys.stderr)
