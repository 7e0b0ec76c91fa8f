"""Whatever stands in a quantflow.toml, a flag or a variable, the answer is a profile or a QuantflowError."""

from __future__ import annotations

import json
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.config.load import load_meta, load_profile, meta_names, profile_names
from quantflow.config.profile import SECTIONS, Profile
from quantflow.errors import QuantflowError

KEYS = {section: sorted(Profile.model_fields[section].annotation.model_fields) for section in SECTIONS}  # type: ignore[union-attr]
SCALARS = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.dates(date(1, 1, 1)),
    st.datetimes(),
    st.times(),
    st.text(max_size=8),
    st.sampled_from(["demo", "hrp", "off", "auto", "momentum", "24/7", "us"]),
)
NAMES = st.one_of(
    st.sampled_from(["us", "demo", "extends", "sleeves", "meta", *SECTIONS, *KEYS["scores"]]), st.text(max_size=4)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def toml(value: Any) -> str:
    """Return *value* as inline TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return str(value.isoformat())


def quoted(text: str) -> str:
    """Return *text* as a basic TOML string."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def load_all(text: str | bytes, *flags: str) -> None:
    """Load whatever *text* holds; only a QuantflowError may come out."""
    errors: list[QuantflowError] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        (workspace / "quantflow.toml").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
        for load, name in ((load_profile, "us"), (load_meta, "us")):
            try:
                load(name, workspace=workspace, overrides=flags)
                profile_names(workspace)
                meta_names(workspace)
            except QuantflowError as error:
                errors.append(error)
    assert all(0 < len(error.message) < 2_000 for error in errors)


TABLES = {
    section: st.dictionaries(st.sampled_from(keys) if keys else NAMES, VALUES, max_size=3)
    for section, keys in KEYS.items()
}


@given(st.fixed_dictionaries({}, optional=TABLES))
@settings(max_examples=60)
def test_any_values_in_known_keys(tables: dict[str, Any]) -> None:
    """Any value in any known key is accepted or refused, never a crash."""
    load_all(f"[profiles]\nus = {toml(tables)}\n[meta]\nus = {toml(tables)}\n")


@given(VALUES, VALUES)
@settings(max_examples=60)
def test_any_shape_of_document(profiles: Any, meta: Any) -> None:
    """Any TOML where tables are expected is accepted or refused, never a crash."""
    load_all(f"profiles = {toml(profiles)}\nmeta = {toml(meta)}\n")
    load_all(f"[profiles.us]\nextends = 'demo'\n[meta.us]\nsleeves = {toml(profiles)}\nallocation = {toml(meta)}\n")


@given(st.binary(max_size=60))
@settings(max_examples=40)
def test_any_bytes(content: bytes) -> None:
    """Any bytes are a file that is read or refused."""
    load_all(content)


@given(st.text(max_size=20), st.text(max_size=12))
@settings(max_examples=60)
def test_any_flag(path: str, value: str) -> None:
    """Any --set is understood or refused."""
    base = "[profiles.us]\nextends = 'demo'\n[meta.us]\nsleeves = [{profile = 'us'}]\n"
    for flag in (path, f"{path}={value}", f"policy.{path}={value}", f"policy.top_n={value}", f"meta.{path}={value}"):
        load_all(base, flag)


@given(st.integers(1, 50), st.floats(0.01, 1.0))
@settings(max_examples=30)
def test_settings_round_trip(top_n: int, weight: float) -> None:
    """A profile made again from its settings is the same profile."""
    with tempfile.TemporaryDirectory() as folder:
        flags = [f"policy.top_n={top_n}", f"allocation.max_weight={weight!r}"]
        profile = load_profile("demo", workspace=Path(folder), overrides=flags)
    again = Profile.model_validate({"name": "demo", **json.loads(json.dumps(profile.settings()))})
    assert again.settings() == profile.settings()
    assert (again.policy.top_n, again.allocation.max_weight) == (top_n, weight)
