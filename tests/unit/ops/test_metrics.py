"""What monitoring reads."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from quantflow.ops.metrics import FILE, HELP, Sample, read_metrics, text_of, write_metrics
from quantflow.runs.record import StageRecord
from ran import ran
from recorded import created


def values(home: Path) -> dict[tuple[str, str, str], float]:
    """The file's numbers, by gauge, profile and stage."""
    return {(s.name, s.labels["profile"], s.labels.get("stage", "")): s.value for s in read_metrics(home / FILE)}


def test_each_profile_has_its_last_run(tmp_path: Path) -> None:
    """A later run takes the place of an earlier one of its profile; those of other profiles stay."""
    run = ran(tmp_path)
    write_metrics(run)
    other = created(tmp_path, "r2", "other")
    other.write_stage(StageRecord("ingestion", "failed", seconds=2.5, max_rss_mb=1.0, error={"message": "no"}))
    for _ in range(2):
        write_metrics(other.again())
    found = values(tmp_path)
    assert found["quantflow_run_completed", "demo", ""] == 1.0
    assert found["quantflow_run_completed", "other", ""] == 0.0
    assert found["quantflow_stage_seconds", "other", "ingestion"] == 2.5
    assert found["quantflow_stage_peak_memory_bytes", "other", "ingestion"] == 2**20
    assert found["quantflow_names", "demo", ""] == len(run.weights)
    assert found["quantflow_sharpe_ratio", "demo", ""] == run.load("metrics")["strategy"]["sharpe"]
    assert found["quantflow_run_as_of_timestamp_seconds", "demo", ""] == 1672185600.0


def test_it_is_what_prometheus_reads(tmp_path: Path) -> None:
    """Each gauge comes once, with its help; names with quotes and newlines are no trouble."""
    place = tmp_path / FILE
    place.write_bytes(
        text_of(
            [Sample("quantflow_names", {"profile": 'a"\n\\b'}, 3.0), Sample("quantflow_names", {"profile": "c"}, 1.0)]
        )
    )
    (family,) = text_string_to_metric_families(place.read_text())
    assert (family.documentation, len(family.samples)) == (HELP["quantflow_names"], 2)
    assert [sample.labels["profile"] for sample in read_metrics(place)] == ['a"\n\\b', "c"]


def test_a_file_that_is_no_such_file_is_replaced(tmp_path: Path) -> None:
    """Whatever lies there keeps no run from being seen."""
    (tmp_path / FILE).write_text("{{{ not metrics")
    write_metrics(created(tmp_path))
    assert values(tmp_path)["quantflow_run_completed", "demo", ""] == 0.0
