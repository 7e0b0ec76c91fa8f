"""Providers of other packages: found by entry point, refused by name when they do not work."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.config.data import DataConfig
from quantflow.config.extensions import PROVIDERS, loaded, registered
from quantflow.data.providers import fingerprint, open_provider, provider_names
from quantflow.errors import ConfigError, DataUnavailableError

MODULE = """
from quantflow import Section
class Options(Section):
    path: str = "here"
class Good:
    name = "good"
    Config = Options
    def __init__(self, config): self.config = config
    def instruments(self, universe): ...
    def bars(self, symbols, start, end): ...
    def facts(self, symbols): ...
    def last_date(self): ...

class Telling(Good):
    name = "telling"
    mark = "one"
    def fingerprint(self): return type(self).mark

class Silent(Good):
    name = "silent"
    fingerprint = None

class Numbered(Good):
    name = "numbered"
    fingerprint = 7

class Half:
    name = "half"
    def __init__(self, config): ...
"""
POINTS = """
[quantflow.providers]
good = plugged_provider:Good
half = plugged_provider:Half
telling = plugged_provider:Telling
silent = plugged_provider:Silent
numbered = plugged_provider:Numbered
gone = plugged_provider:Gone
lost = no_such_module_here:Provider
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package that registers providers."""
    info = tmp_path / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    (tmp_path / "plugged_provider.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_registered_provider_is_opened_with_its_options() -> None:
    """The class behind the entry point is called with its own options, defaults in place, and with no other key."""
    config = DataConfig(provider="good", path="anything")
    assert open_provider(config).config.model_dump() == {"path": "anything"}  # type: ignore[attr-defined]
    assert open_provider(DataConfig(provider="good")).config.path == "here"  # type: ignore[attr-defined]
    assert {"good", "sample"} <= set(provider_names())


@pytest.mark.parametrize(
    ("name", "part"), [("half", "does not implement"), ("gone", "cannot be imported"), ("lost", "cannot be imported")]
)
def test_a_broken_provider_is_named(name: str, part: str) -> None:
    """A provider that does not import, or lacks a method, is a config error that names it and says what to do."""
    with pytest.raises(ConfigError, match=part) as caught:
        open_provider(DataConfig(provider=name))
    assert name in caught.value.message
    assert caught.value.hint


def test_a_provider_tells_itself_whether_its_data_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text is the same data; another, or a change of a file beside, is not; without one nothing is known."""
    config = DataConfig(provider="telling")
    kind = loaded(registered(PROVIDERS)["telling"], "Provider")
    first = fingerprint(config)
    assert first is not None
    assert fingerprint(config) == first
    monkeypatch.setattr(kind, "mark", "two")
    assert fingerprint(config) not in (first, None)
    (tmp_path / "members.csv").write_text("a")
    with_file = fingerprint(config, str(tmp_path / "members.csv"))
    (tmp_path / "members.csv").write_text("ab")
    assert len({fingerprint(config), with_file, fingerprint(config, str(tmp_path / "members.csv"))}) == 3
    for name in ("good", "silent", "sample"):
        assert fingerprint(DataConfig(provider=name)) is None


def test_a_fingerprint_that_cannot_be_told_equals_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty, or no answer now: the run is made. Anything but text is an error of the provider."""
    config = DataConfig(provider="telling")
    kind = loaded(registered(PROVIDERS)["telling"], "Provider")
    monkeypatch.setattr(kind, "mark", "")
    assert fingerprint(config) != fingerprint(config)

    def silent(self: object) -> str:
        raise DataUnavailableError("no answer")

    monkeypatch.setattr(kind, "fingerprint", silent)
    assert fingerprint(config) != fingerprint(config)
    with pytest.raises(ConfigError, match="its fingerprint is int, not text"):
        fingerprint(DataConfig(provider="numbered"))
