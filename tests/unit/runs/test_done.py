"""When a meta run counts as done."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from quantflow.config.load import load_meta
from quantflow.runs.create import create_run
from quantflow.runs.done import same_sleeves

PROFILES = """
[profiles.a]
extends = "demo"
[profiles.a.policy]
top_n = {top}
[meta.inner]
sleeves = [{{ profile = "a" }}]
[meta.outer]
sleeves = [{{ profile = "demo" }}, {{ meta = "inner" }}]
"""


@pytest.mark.parametrize("name", ["inner", "outer"])
def test_a_changed_sleeve_is_another_portfolio(name: str, tmp_path: Path) -> None:
    """A setting of a sleeve's profile, at any depth, makes a run of the meta profile differ from what is asked for."""
    settings = tmp_path / "quantflow.toml"
    settings.write_text(PROFILES.format(top=2))
    record = create_run(load_meta(name, workspace=tmp_path), tmp_path, date(2022, 12, 28))
    assert same_sleeves(record, load_meta(name, workspace=tmp_path))
    settings.write_text(PROFILES.format(top=3))
    assert not same_sleeves(record, load_meta(name, workspace=tmp_path))
