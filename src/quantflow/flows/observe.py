"""A run that has ended, shown to those who watch: metrics and spans."""

from __future__ import annotations

import logging

from quantflow.errors import said
from quantflow.ops.metrics import write_metrics
from quantflow.ops.tracing import send_trace
from quantflow.runs.run import Run


def observe(run: Run) -> None:
    """Write the metrics and send the spans of a run that has ended; a sleeve is part of its portfolio's."""
    if run.header.parent is not None:
        return
    try:
        write_metrics(run)
        send_trace(run)
    except Exception as error:  # noqa: BLE001  # no run may fail for those who look at it
        logging.getLogger("prefect").warning("metrics and spans: %s: %s", type(error).__name__, said(error))
