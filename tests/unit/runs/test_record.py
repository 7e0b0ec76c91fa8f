"""The run record."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantflow.data.store import ArtifactRef
from quantflow.errors import ConfigError, IntegrityError
from quantflow.pipeline.stage import Summary
from quantflow.runs.find import find_run, list_runs
from quantflow.runs.header import Header
from quantflow.runs.kinds import open_run
from quantflow.runs.record import RunRecord, StageRecord, check_run_id
from quantflow.runs.run import Run

HEADER = Header("selection", "demo", date(2022, 12, 28), ("ingestion", "features"))
REF = ArtifactRef("prices", "ab/abc.parquet", "abc", 3, {"close": "double"})


@pytest.fixture
def record(tmp_path: Path) -> Run:
    RunRecord(tmp_path, "one").create(HEADER)
    return open_run(tmp_path, "one")


def test_a_stage_record_survives_the_disk(record: Run) -> None:
    """What is written of a stage is what is read."""
    written = StageRecord(
        "features", "done", "key", {"inputs": {}}, outputs={"prices": REF}, summary=Summary(20, 7, "n")
    )
    record.write_stage(written)
    assert record.stage("features") == written


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b"null", b'{"stage": "features"}', b"\xff\xfe", b'{"outputs": 3}'])
def test_a_torn_stage_record_counts_as_none(record: Run, torn: bytes) -> None:
    """Half a record is not a record: the stage is run again."""
    record.write_stage(StageRecord("features", "done"))
    (record.folder / "stages" / "2-features.json").write_bytes(torn)
    assert record.stage("features") is None


def test_a_torn_last_event_loses_only_itself(record: Run) -> None:
    """A line that was cut off by a power failure does not hide the ones before it."""
    with (record.folder / "events.jsonl").open("a") as file:
        file.write('{"event": "stage.')
    assert [event["event"] for event in record.events()] == ["run.created"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"schema_version": 0, "stages": ["a"]}'])
def test_a_damaged_header_is_an_error_with_a_hint(record: Run, text: str) -> None:
    """A run whose header cannot be read is reported, not crashed on."""
    (record.folder / "run.json").write_text(text)
    assert RunRecord(record.workspace, "one").header == record.header, "the events hold a second copy"
    (record.folder / "events.jsonl").write_text("")
    fresh = RunRecord(record.workspace, "one")
    with pytest.raises(IntegrityError, match=r"run\.json"):
        _ = fresh.header
    assert open_run(record.workspace, "one").state == "unreadable"
    assert [run.state for run in list_runs(record.workspace)] == ["unreadable"]


def test_states_follow_from_the_folder_alone(record: Run) -> None:
    """A run without a live owner is interrupted, failed or completed; never running."""
    assert record.again().state == "interrupted"
    record.write_stage(StageRecord("ingestion", "running"))
    assert record.again().stage_state("ingestion") == "interrupted"
    record.event("run.interrupted")
    assert record.again().state == "interrupted"
    record.write_stage(StageRecord("ingestion", "failed", error={"type": "X", "message": "m"}))
    assert record.again().state == "failed"
    record.write_stage(StageRecord("ingestion", "done"))
    record.write_stage(StageRecord("features", "done"))
    assert record.again().state == "completed"


def test_a_run_that_failed_before_its_first_stage_says_why(record: Run) -> None:
    """The reason is in the record's events alone; ``inspect`` takes it from there, until the run is started again."""
    record.event("run.started")
    record.event("run.failed", error="InfrastructureError", message="no Ray", hint="start one")
    found = record.again()
    assert found.state == "failed"
    assert found.json()["error"] == {"type": "InfrastructureError", "message": "no Ray", "hint": "start one"}
    record.event("run.started")
    assert (record.again().state, record.again().error) == ("interrupted", None)


def test_a_run_is_not_complete_without_its_files(record: Run) -> None:
    """A run that made weights but lost the file that people open is not called completed."""
    record.write_stage(StageRecord("ingestion", "done", outputs={"weights": REF}))
    record.write_stage(StageRecord("features", "done"))
    assert record.again().state != "completed"
    record.write_file("weights.csv", "symbol,weight\n")
    assert record.again().state == "completed"


def test_latest_is_the_run_created_last(record: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """``latest`` goes by creation, not by name, nor by a clock that was set back."""
    monkeypatch.setattr("quantflow.runs.record.now", lambda: "1999-01-01T00:00:00.000+00:00")
    RunRecord(record.workspace, "a-later-one").create(HEADER)
    assert find_run(record.workspace, "latest").id == "a-later-one"


def test_a_folder_that_is_no_run_is_left_out(record: Run) -> None:
    """Whatever else lies in ``runs/`` disturbs no listing."""
    for name in ("-odd", "a b", "empty"):
        (record.workspace / "runs" / name).mkdir()
    (record.workspace / "runs" / "-odd" / "run.json").write_text("{}")
    assert [run.id for run in list_runs(record.workspace)] == ["one"]


def test_an_unknown_run_names_the_nearest(record: Run) -> None:
    """A typo in a run id is answered with the run that was meant."""
    with pytest.raises(ConfigError) as caught:
        find_run(record.workspace, "onee")
    assert "'one'" in str(caught.value.hint)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "/etc", "a/b", "a\\b", "a\0b", "con", "NUL.txt", "lpt1", "-x", "a..b", "x" * 129, "ü"],
)
def test_unsafe_run_ids_are_refused(name: str, tmp_path: Path) -> None:
    """A run id can name nothing outside ``runs/``, on any system."""
    with pytest.raises(ConfigError):
        RunRecord(tmp_path, name)


@given(st.text(max_size=20))
def test_an_accepted_run_id_stays_below_runs(name: str) -> None:
    """Whatever is accepted is one plain folder name."""
    try:
        check_run_id(name)
    except ConfigError:
        return
    assert (Path("/runs") / name).resolve().parent == Path("/runs")
    assert Path(name).name == name


def test_the_json_form_is_pinned(record: Run) -> None:
    """``inspect RUN --json`` keeps its keys; a change is a new schema version."""
    record.write_stage(StageRecord("ingestion", "done", outputs={"prices": REF}))
    found = json.loads(json.dumps(record.again().json()))
    assert found["schema_version"] == 1
    run_keys = "schema_version run_id state degraded owner error folder kind profile as_of created parent versions cpu"
    run_keys += " decision"
    stage_keys = (
        "stage state key fingerprint attempt cached outputs summary started ended seconds max_rss_mb error made_by"
    )
    assert set(found) == {*run_keys.split(), "flow_runs", "settings", "stages"}
    assert set(found["stages"][0]) == set(stage_keys.split())
    assert set(found["stages"][0]["outputs"]["prices"]) == {"name", "uri", "sha256", "rows", "schema"}
    assert set(found["stages"][0]["summary"]) == {"entered", "left", "note", "degraded"}
