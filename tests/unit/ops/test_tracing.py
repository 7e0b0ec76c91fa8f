"""Spans of a run, as a collector gets them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from quantflow.ops import tracing
from quantflow.ops.tracing import ENDPOINT, parts_of, send_trace
from quantflow.runs.record import StageRecord
from recorded import Name, created, recorded_meta

AT = ("2022-12-29T01:00:00.000+00:00", "2022-12-29T01:00:02.500+00:00")


@contextmanager
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A collector on this machine, which the environment names; what it got."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = ExportTraceServiceRequest()
            message.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
            got.extend(span for each in message.resource_spans for scope in each.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield got
        finally:
            server.shutdown()
            thread.join()


def test_a_collector_gets_run_sleeves_and_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One trace, each part below what it is part of, with its times and facts."""
    run = recorded_meta(tmp_path, {"a": {"KO": Name([1.0, 2.0])}}, {"KO": 1.0})
    sleeve = run.sleeves[0].run
    sleeve.write_stage(
        StageRecord("ingestion", "done", started=AT[0], ended=AT[1], seconds=2.5, outputs=sleeve.outputs)
    )
    with collecting(monkeypatch) as got:
        send_trace(run.again())
    spans = {span.name: span for span in got}
    assert len({span.trace_id for span in got}) == 1
    assert spans["sleeve a"].parent_span_id == spans["demo_meta"].span_id
    assert spans["ingestion"].parent_span_id == spans["sleeve a"].span_id
    assert spans["ingestion"].end_time_unix_nano - spans["ingestion"].start_time_unix_nano == 2_500_000_000
    facts = {each.key: each.value.string_value for each in spans["demo_meta"].attributes}
    assert facts["quantflow.run_id"] == run.id


def test_what_failed_says_why(tmp_path: Path) -> None:
    """The stage that failed has its error, and so has the run."""
    run = created(tmp_path)
    run.write_stage(StageRecord("ingestion", "failed", started=AT[0], ended=AT[1], error={"message": "no prices"}))
    found = parts_of(run.again())
    assert (found.trouble, found.parts[0].trouble) == ("failed", "no prices")
    assert found.ended - found.began == 2_500_000_000


def test_without_an_endpoint_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asked."""
    monkeypatch.delenv(ENDPOINT, raising=False)
    monkeypatch.setattr(tracing, "parts_of", None)
    send_trace(created(tmp_path))
