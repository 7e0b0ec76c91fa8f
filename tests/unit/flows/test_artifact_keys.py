"""Keys of a profile's artifacts in Prefect."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.flows.artifacts import key_of
from quantflow.runs.record import RunRecord


def created(workspace: Path, profile: str, run_id: str, parent: dict[str, str] | None = None) -> RunRecord:
    record = RunRecord(workspace, run_id)
    frozen = {"kind": "selection", "profile": profile, "as_of": "2022-12-28", "settings": {}, "sources": {}}
    record.create({**frozen, "stages": [], "store": None, "parent": parent})
    return record


@pytest.mark.parametrize(("profile", "key"), [("us_core", "us-core-weights"), ("demo", "demo-weights")])
def test_a_key_is_the_profiles_name(profile: str, key: str, tmp_path: Path) -> None:
    """Small letters, digits and dashes."""
    assert key_of(created(tmp_path, profile, "a"), "weights") == key


def test_no_two_profiles_share_a_key(tmp_path: Path) -> None:
    """Names that differ in what a key cannot tell have keys that differ."""
    names = ["us_core", "us-core", "US_core", "us__core", "us_core_", "uscore"]
    keys = {key_of(created(tmp_path, name, f"r{i}"), "weights") for i, name in enumerate(names)}
    assert len(keys) == len(names)
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)


def test_a_sleeves_key_is_below_its_portfolios(tmp_path: Path) -> None:
    """At any depth."""
    created(tmp_path, "all_weather", "m")
    created(tmp_path, "inner", "m.inner", {"run_id": "m", "sleeve": "inner"})
    leaf = created(tmp_path, "us_core", "m.inner.x", {"run_id": "m.inner", "sleeve": "x"})
    assert key_of(leaf, "weights") == "all-weather-sleeve-inner-sleeve-x-weights"
