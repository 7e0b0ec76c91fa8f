"""The header of a run, and its form in ``run.json``."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from quantflow.config.source import FLAG, Source
from quantflow.runs.header import Header, Parent, SleeveFailure, Trial
from recorded import created

KEYS = (
    *("as_of", "cpu", "created", "decision", "flow_runs", "fresh", "kind", "parent", "position", "profile", "run_id"),
    *(
        "schema_version",
        "scope",
        "sequence",
        "settings",
        "source",
        "sources",
        "stages",
        "stale",
        "store",
        "token",
        "trials",
        "until",
    ),
    "versions",
)


def read(run_folder: Path) -> dict[str, object]:
    """What is in ``run.json``."""
    found: dict[str, object] = json.loads((run_folder / "run.json").read_text())
    return found


@pytest.mark.parametrize(
    "header",
    [
        Header("selection", "demo", date(2022, 12, 28), ("a", "b"), {"policy": {"top_n": 3}}, {"policy.top_n": FLAG}),
        Header("selection", "demo", date(2022, 12, 28), parent=Parent("m", "one", "m"), scope="m", store="s3://x"),
        Header("selection", "demo", date(2022, 12, 28), trials=(Trial("a1", "one", 0.05),)),
        Header("meta", "both", date(2022, 12, 28), sleeves=("one", "two"), flow_runs=("f",)),
        Header("meta", "both", date(2022, 12, 28), failed=(SleeveFailure("one", "m.one", "policy", "no", "log"),)),
    ],
)
def test_what_is_written_is_what_is_read(header: Header) -> None:
    """Dates, tuples and the objects in it survive JSON."""
    assert Header.from_json(json.loads(json.dumps(header.json()))) == header


def test_the_keys_are_pinned(tmp_path: Path) -> None:
    """Schema version 1: a selection run has these keys, a meta run its sleeves and failures too."""
    one, two = created(tmp_path, "one"), created(tmp_path, "two", kind="meta")
    assert sorted(read(one.folder)) == sorted([*KEYS, "seal"])
    assert sorted(read(two.folder)) == sorted([*KEYS, "failed", "seal", "sleeves"])


def test_unknown_keys_survive_an_update(tmp_path: Path) -> None:
    """What another version has written into the record is not lost when this one changes it."""
    run = created(tmp_path)
    run.update(future="thing")
    run.add_flow_run("f1")
    assert read(run.folder)["future"] == "thing"
    assert run.header.flow_runs == ("f1",)


@pytest.mark.parametrize(
    "damage",
    [{"schema_version": 99}, {"kind": "other"}, {"as_of": "never"}, {"parent": {"run_id": "m"}}, {"stages": None}],
)
def test_another_shape_is_refused(damage: dict[str, object]) -> None:
    """A header of another version, kind or shape is an error, which counts as damage to the record."""
    whole = Header("selection", "demo", date(2022, 12, 28), ("a",)).json()
    with pytest.raises((ValueError, TypeError, KeyError)):
        Header.from_json({**whole, **damage})


@pytest.mark.parametrize(("words", "override"), [("--set", True), ("env QUANTFLOW__X", True), ("default", False)])
def test_sources_of_version_0_1_are_understood(words: str, override: bool) -> None:
    """Its records have in words where a setting came from: an experiment stays one."""
    whole = Header("selection", "demo", date(2022, 12, 28), ("a",)).json()
    source = Header.from_json({**whole, "sources": {"policy.top_n": words}}).sources["policy.top_n"]
    assert isinstance(source, Source)
    assert source.is_override is override
