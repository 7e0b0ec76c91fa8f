"""What of a run that exists may be changed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from quantflow.config.load import load_meta
from quantflow.config.source import FLAG
from quantflow.errors import ConfigError
from quantflow.runs.create import create_run
from quantflow.runs.run import Run, open_run


@pytest.fixture
def meta(tmp_path: Path) -> Run:
    """A meta run that has just been created."""
    loaded = load_meta("demo_meta", workspace=tmp_path, overrides=['meta.execution.ray_address="head:6379"'])
    return create_run(loaded, tmp_path, date(2022, 12, 28), "m")


def test_where_a_meta_run_is_run_may_be_changed(meta: Run) -> None:
    """A cluster that is gone for good does not keep the run from being resumed; nothing else of it changes."""
    before = dict(meta.header.settings)
    after = meta.with_settings(["execution.runner=local"], write=True)
    assert after.header.settings["execution"] == {**before["execution"], "runner": "local"}
    assert open_run(meta.workspace, "m").header.settings == {**before, "execution": after.settings["execution"]}
    assert after.header.sources["execution.runner"] == FLAG


def test_what_its_portfolio_is_may_not(meta: Run) -> None:
    """Sleeves have the settings of their creation; a mistaken runner is refused with the known ones."""
    with pytest.raises(ConfigError, match="frozen, all but execution"):
        meta.with_settings(["execution.runner=local", "policy.top_n=1"], write=True)
    with pytest.raises(ConfigError, match="runner"):
        meta.with_settings(["execution.runner=dask"], write=True)
    assert open_run(meta.workspace, "m").header.settings["execution"]["runner"] == "auto"
