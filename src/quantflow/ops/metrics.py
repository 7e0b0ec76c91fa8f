"""What monitoring reads of a workspace: ``metrics.prom``, in Prometheus's text format, for node_exporter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from quantflow.data.store import private_folder, write_atomic
from quantflow.locks import FileLock
from quantflow.runs.book import current
from quantflow.runs.run import Run

FILE = "metrics.prom"
HELP: Mapping[str, str] = {
    "quantflow_run_completed": "Whether the profile's last run completed.",
    "quantflow_run_degraded": "Whether it completed with fallbacks or on old prices.",
    "quantflow_run_as_of_timestamp_seconds": "The last session that it saw, at midnight UTC.",
    "quantflow_run_ended_timestamp_seconds": "When it ended.",
    "quantflow_stage_seconds": "How long each of its stages took, those from the cache too.",
    "quantflow_stage_peak_memory_bytes": "Peak memory of the stage's process when the stage ended.",
    "quantflow_names": "Names that its weights hold.",
    "quantflow_sharpe_ratio": "Its walk-forward's Sharpe ratio after costs, annualised.",
    "quantflow_book_as_of_timestamp_seconds": "The session of the profile's book, at midnight UTC.",
}
"""The gauges, each with the label ``profile``, those of stages also with ``stage``."""


@dataclass(frozen=True)
class Sample:
    """One number.

    Attributes:
        name: The gauge.
        labels: Its labels.
        value: The number.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    value: float = 0.0


def write_metrics(run: Run) -> None:
    """Put what is known of a run that has ended into the workspace's file, for that of its profile's last run."""
    place = run.workspace / FILE
    private_folder(run.workspace / ".quantflow")
    with FileLock(run.workspace / ".quantflow" / "metrics.lock") as guard:
        guard.take(seconds=None)
        others = [each for each in read_metrics(place) if each.labels.get("profile") != run.profile]
        write_atomic(place, text_of([*others, *samples(run)]))


def samples(run: Run) -> Iterator[Sample]:
    """Yield the numbers of a run that has ended."""
    own = {"profile": run.profile}
    yield Sample("quantflow_run_completed", own, float(run.state == "completed"))
    yield Sample("quantflow_run_degraded", own, float(run.degraded))
    yield Sample("quantflow_run_as_of_timestamp_seconds", own, _midnight(run.as_of))
    yield Sample("quantflow_run_ended_timestamp_seconds", own, datetime.now(UTC).timestamp())
    for name, stage in run.stages.items():
        if stage is not None and stage.seconds is not None:
            yield Sample("quantflow_stage_seconds", {**own, "stage": name}, stage.seconds)
            if stage.max_rss_mb:
                memory = stage.max_rss_mb * 2**20
                yield Sample("quantflow_stage_peak_memory_bytes", {**own, "stage": name}, memory)
    if run.state == "completed" and "weights" in run.outputs:
        yield Sample("quantflow_names", own, float(len(run.weights)))
    if run.state == "completed" and "metrics" in run.outputs:
        sharpe = run.load("metrics")["strategy"].get("sharpe")
        if sharpe is not None:
            yield Sample("quantflow_sharpe_ratio", own, float(sharpe))
    if book := current(run.workspace, run.profile):
        yield Sample("quantflow_book_as_of_timestamp_seconds", own, _midnight(date.fromisoformat(book.as_of)))


def read_metrics(place: Path) -> list[Sample]:
    """Return what a file holds; nothing where there is none, or it is none of ours."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(place.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # it is written whole, and says nothing that the next runs do not say again
        return []
    return [
        Sample(sample.name, sample.labels, sample.value)
        for family in families
        for sample in family.samples
        if sample.name in HELP
    ]


def text_of(found: list[Sample]) -> bytes:
    """Return numbers as Prometheus's text, gauges in the order of ``HELP``."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    for name, words in HELP.items():
        own = [sample for sample in found if sample.name == name]
        if own:
            gauge = Gauge(name, words, sorted(own[0].labels), registry=registry)
            for sample in own:
                gauge.labels(**sample.labels).set(sample.value)
    return generate_latest(registry)


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
