"""Providers of other packages: found by entry point, refused by name when they do not work."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.config.data import DataConfig
from quantflow.data.providers import open_provider, provider_names
from quantflow.errors import ConfigError

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

class Half:
    name = "half"
    def __init__(self, config): ...
"""
POINTS = """
[quantflow.providers]
good = plugged_provider:Good
half = plugged_provider:Half
gone = plugged_provider:Gone
lost = no_such_module_here:Provider
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package that registers four providers."""
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
