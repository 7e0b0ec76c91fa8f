"""When a meta run counts as done."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from quantflow.config.load import load_meta, load_profile
from quantflow.runs.create import create_run, source_of
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


@pytest.mark.parametrize(
    ("section", "key", "rows"),
    [
        ("universe", "members", ("symbol,from,to\nKO,2010-01-04,\n", "symbol,from,to\nKO,2010-01-04,2020-01-02\n")),
        ("validation", "costs", ("symbol,cost_bps\nKO,2\n", "symbol,cost_bps\nKO,2.5\n")),
    ],
)
def test_another_file_is_other_source_data(section: str, key: str, rows: tuple[str, str], tmp_path: Path) -> None:
    """A night is not done when members or costs have changed since, whatever the provider is."""
    (tmp_path / "quantflow.toml").write_text(
        f'[profiles.a]\nextends = "demo"\n[profiles.a.{section}]\n{key} = "m.csv"\n'
    )
    profile = load_profile("a", workspace=tmp_path)
    assert source_of(load_profile("demo", workspace=tmp_path)) is None
    assert source_of(profile) != source_of(profile), "a file that is not there is never the same"
    (tmp_path / "m.csv").write_text(rows[0])
    before = source_of(profile)
    assert before == source_of(profile)
    (tmp_path / "m.csv").write_text(rows[1])
    assert source_of(profile) != before
