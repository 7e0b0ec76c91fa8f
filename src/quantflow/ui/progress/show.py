"""Progress of a run, shown as the place that it is shown in wants it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from quantflow.runs.run import Run
from quantflow.ui.log import about, log
from quantflow.ui.progress.lines import Lines, json_line, log_line, plain_line
from quantflow.ui.progress.live import LiveView

if TYPE_CHECKING:
    from quantflow.flows.states import Snapshot


@contextmanager
def progress(record: Run, mode: str) -> Iterator[Callable[[Snapshot], None] | None]:
    """Show a run while it goes on; yield what must be called with each new picture.

    Args:
        record: The run.
        mode: ``live``, ``lines``, ``log``, ``json`` or ``none``.
    """
    about(record.id, record.as_of)
    log("info", "run.started", f"{record.id} is started or continued", profile=record.profile)
    if mode == "live":
        with LiveView(record) as view:
            yield view.update
    elif mode in ("none", "quiet"):
        yield None
    else:
        if mode in ("lines", "verbose"):
            sys.stderr.write(f"{record.id}  as-of {record.as_of}\n")
        lines = Lines(record, {"json": json_line, "log": log_line, "lines": plain_line, "verbose": plain_line}[mode])
        try:
            yield lines.update
        finally:
            lines.close()
