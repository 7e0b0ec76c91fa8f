"""Where a value came from is a fact of its own, not words that are read again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quantflow.config.load import load_meta, load_profile
from quantflow.config.source import DEFAULT, FLAG, Source, as_json

FILE = """
[profiles.mine]
extends = "demo"
[profiles.mine.policy]
top_n = 3
[meta.both]
sleeves = [{ profile = "mine" }]
budget = 0.5
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "quantflow.toml").write_text(FILE)
    return tmp_path


def test_each_layer_has_its_kind(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default, built-in profile, file, variable and flag are told apart without reading a text."""
    monkeypatch.setenv("QUANTFLOW_POLICY__MIN_WINNERS", "2")
    sources = load_profile("mine", workspace=workspace, overrides=["policy.max_winners=9"]).sources
    assert sources["policy.top_n"] == Source("file", "[profiles.mine.policy]")
    assert sources["policy.min_winners"] == Source("env", "QUANTFLOW_POLICY__MIN_WINNERS")
    assert sources["policy.max_winners"] == FLAG
    assert sources["policy.relaxation"] == DEFAULT
    assert sources["allocation.method"].kind == "built_in"


def test_a_meta_profile_has_them_too(workspace: Path) -> None:
    """The calendar that comes from the sleeves says so."""
    sources = load_meta("both", workspace=workspace).sources
    assert sources["budget"] == Source("file", "[meta.both]")
    assert sources["calendar"].kind == "sleeves"


@pytest.mark.parametrize(
    ("source", "words", "heading", "setting"),
    [
        (
            Source("file", "[meta.m]"),
            "quantflow.toml [meta.m]",
            "quantflow.toml: [meta.m]",
            "quantflow.toml [meta.m] k",
        ),
        (Source("env", "QUANTFLOW_A__B"), "env QUANTFLOW_A__B", "env QUANTFLOW_A__B", "env QUANTFLOW_A__B"),
        (FLAG, "--set", "--set", "--set k"),
    ],
)
def test_a_source_in_words(source: Source, words: str, heading: str, setting: str) -> None:
    """What people read of it follows from kind and text; a variable names its setting already."""
    assert (str(source), source.heading, source.setting("k")) == (words, heading, setting)


def test_only_variables_and_flags_are_overrides() -> None:
    """A run with one of them is an experiment; a file that happens to be named like a flag is not."""
    kinds = ("default", "built_in", "file", "env", "flag", "run", "sleeves")
    assert [kind for kind in kinds if Source(kind, "--set env").is_override] == ["env", "flag"]  # type: ignore[arg-type]


def test_the_record_keeps_kind_and_text(workspace: Path) -> None:
    """What the run's record holds is the source again."""
    sources = load_profile("mine", workspace=workspace).sources
    kept = json.loads(json.dumps(as_json(sources)))
    assert {key: Source(**value) for key, value in kept.items()} == dict(sources)
