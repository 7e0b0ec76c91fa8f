"""Each provider has options of its own, beside the keys that the section ``data`` always has."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from quantflow.config.data import OPTIONS, CcxtOptions, DataConfig, FilesOptions, options_of
from quantflow.config.load import load_profile, override_settings
from quantflow.errors import ConfigError

BASE = """
[profiles.coins.data]
provider = "ccxt"
exchange = "binance"
top = 5
max_gap = 2
[profiles.kept]
extends = "coins"
[profiles.kept.data]
provider = "files"
path = "prices.csv"
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "quantflow.toml").write_text(BASE)
    return tmp_path


def test_options_stand_in_the_section_with_defaults_and_sources(workspace: Path) -> None:
    """They are settings like all others: typed, with a default, a source, ``--set`` and a place in the record."""
    profile = load_profile("coins", workspace=workspace, overrides=["data.limit=100"])
    assert profile.data.options == CcxtOptions(exchange="binance", top=5, limit=100)
    assert profile.settings()["data"] | {"quote": "USDT", "limit": 100, "cache": None} == profile.settings()["data"]
    assert (profile.sources["data.limit"].kind, profile.sources["data.quote"].kind) == ("flag", "default")
    assert not {"path", "instruments"} & set(profile.settings()["data"])


def test_a_provider_that_replaces_another_leaves_its_options(workspace: Path) -> None:
    """A profile that extends one with another provider keeps the contract, not the other's options."""
    data = load_profile("kept", workspace=workspace).data
    assert data.options == FilesOptions(path=str(workspace / "prices.csv"))
    assert data.max_gap == 2
    assert "exchange" not in data.model_dump()


@pytest.mark.parametrize(
    ("override", "says", "hint"),
    [
        ("data.exchnge=binance", "data.exchnge = .*no such key", "'exchange'"),
        ("data.path=prices.csv", "data.path = .*no such key", ""),
        ("data.limit=1", "data.limit = 1: must be 2 or more", "500"),
        ("data.provider=ccx", "No provider named 'ccx'", "'ccxt'"),
    ],
)
def test_a_wrong_key_or_value_is_refused(workspace: Path, override: str, says: str, hint: str) -> None:
    """Also one that another provider has; with the nearest name, before anything is fetched."""
    with pytest.raises(ConfigError, match=says) as caught:
        load_profile("coins", workspace=workspace, overrides=[override])
    assert hint in str(caught.value.hint)


def test_a_runs_settings_take_another_provider(workspace: Path) -> None:
    """The record's options of the provider before are left out, and the new one's are checked."""
    settings = load_profile("coins", workspace=workspace).settings()
    profile = override_settings("coins", settings, ["data.provider=files", "data.path=/x.csv"])
    assert profile.data.options == FilesOptions(path="/x.csv")
    with pytest.raises(ConfigError, match="no such key"):
        override_settings("coins", settings, ["data.provider=files", "data.pth=/x.csv"])


def test_a_stage_sees_the_options_that_the_profile_has(workspace: Path) -> None:
    """A stage's config takes them from the settings, refuses any other key, and can be sent to a worker."""
    data = load_profile("coins", workspace=workspace).settings()["data"]
    config = DataConfig.model_validate(data)
    assert config.options == CcxtOptions(exchange="binance", top=5)
    assert config.model_dump(mode="json") == data
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301  # our own bytes
    with pytest.raises(ValidationError, match="exchnge"):
        DataConfig.model_validate({**data, "exchnge": "x"})


def test_no_option_is_called_like_a_key_of_the_section() -> None:
    """What a provider calls its own is not a key of every provider."""
    assert all(not options_of(name).model_fields.keys() & DataConfig.model_fields.keys() for name in OPTIONS)
