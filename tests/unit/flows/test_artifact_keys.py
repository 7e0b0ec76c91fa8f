"""Keys of a profile's artifacts in Prefect."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.flows.artifacts import key_of
from quantflow.runs.header import Parent
from recorded import created


@pytest.mark.parametrize(("profile", "key"), [("us_core", "us-core-weights"), ("demo", "demo-weights")])
def test_a_key_is_the_profiles_name(profile: str, key: str, tmp_path: Path) -> None:
    """Small letters, digits and dashes."""
    assert key_of(created(tmp_path, "a", profile), "weights") == key


def test_no_two_profiles_share_a_key(tmp_path: Path) -> None:
    """Names that differ in what a key cannot tell have keys that differ."""
    names = ["us_core", "us-core", "US_core", "us__core", "us_core_", "uscore"]
    keys = {key_of(created(tmp_path, f"r{i}", name), "weights") for i, name in enumerate(names)}
    assert len(keys) == len(names)
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)


def test_a_sleeves_key_is_below_its_portfolios(tmp_path: Path) -> None:
    """At any depth."""
    created(tmp_path, "m", "all_weather")
    created(tmp_path, "m.inner", "inner", parent=Parent("m", "inner", "m"))
    leaf = created(tmp_path, "m.inner.x", "us_core", parent=Parent("m.inner", "x", "m"))
    assert key_of(leaf, "weights") == "all-weather-sleeve-inner-sleeve-x-weights"
