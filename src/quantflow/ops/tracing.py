"""Spans of a run for OpenTelemetry: the run, its sleeves, and the stages of each, as their records have them.

They are sent when the run has ended, from the records of all that took part, wherever it ran: so a worker on another
machine needs no exporter, and what was killed is seen as far as it came.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from quantflow.config.credentials import scrubbed
from quantflow.runs.run import Run

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""The variable that asks for spans, as in every program that OpenTelemetry looks at."""
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Part:
    """What becomes one span.

    Attributes:
        name: What it is called.
        began, ended: When, in nanoseconds since 1970.
        facts: Its attributes.
        trouble: Why it failed; empty when it did not.
        parts: What it is made of.
    """

    name: str
    began: int
    ended: int
    facts: dict[str, str | int | bool] = field(default_factory=dict)
    trouble: str = ""
    parts: tuple[Part, ...] = ()


def parts_of(run: Run, name: str = "") -> Part:
    """Return a run that has ended as the parts of a trace.

    Args:
        run: The run.
        name: What it is called; its profile when empty.
    """
    inner = [*_stages(run), *(parts_of(sleeve.run, f"sleeve {sleeve.name}") for sleeve in run.sleeves)]
    times = [time for part in inner for time in (part.began, part.ended)] or [_nanoseconds(run.header.created)]
    facts: dict[str, str | int | bool] = {
        "quantflow.run_id": run.id,
        "quantflow.profile": run.profile,
        "quantflow.as_of": run.as_of.isoformat(),
        "quantflow.state": run.state,
        "quantflow.degraded": run.degraded,
    }
    trouble = "" if run.state == "completed" else str((run.error or {}).get("message") or run.state)
    return Part(name or run.profile, min(times), max(times), facts, trouble, tuple(inner))


def _stages(run: Run) -> Iterator[Part]:
    for name, stage in run.stages.items():
        if stage is None or not stage.started:
            continue
        facts: dict[str, str | int | bool] = {
            "quantflow.state": run.stage_state(name),
            "quantflow.attempt": stage.attempt,
            "quantflow.note": stage.summary.note,
        }
        began = _nanoseconds(stage.started)
        ended = _nanoseconds(stage.ended) if stage.ended else began
        yield Part(name, began, ended, facts, str((stage.error or {}).get("message", "")))


def _nanoseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1e9)


def send_trace(run: Run) -> None:
    """Send the spans of a run that has ended to where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says; nothing if it is not set.

    What cannot be sent within seconds is a warning.
    """
    if not os.environ.get(ENDPOINT):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        sys.stderr.write(
            f"warning: {ENDPOINT} is set, and the exporter is not installed: pip install 'quantflow[otel]'\n"
        )
        return
    provider = TracerProvider(resource=Resource.create({"service.name": "quantflow"}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(timeout=PATIENCE_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _span(provider.get_tracer("quantflow"), parts_of(run), None)
    if not provider.force_flush(int(PATIENCE_SECONDS * 1000)):
        sys.stderr.write(f"warning: the spans of {run.id} were not sent to {ENDPOINT} in time\n")
    provider.shutdown()


def _span(tracer: Any, part: Part, above: Any) -> None:
    from opentelemetry.trace import Status, StatusCode, set_span_in_context

    span = tracer.start_span(part.name, context=above, start_time=part.began, attributes=part.facts)
    if part.trouble:
        span.set_status(Status(StatusCode.ERROR, scrubbed(part.trouble)))
    for each in part.parts:
        _span(tracer, each, set_span_in_context(span))
    span.end(end_time=part.ended)
