"""The purity check of a run, whose stages run in a process that is watched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quantflow.cli.review import actions
from quantflow.errors import ConfigError
from ran import ran


def test_a_run_is_checked_on_the_data_that_it_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The built-in stages are pure, the walk-forward among them; the report and ingestion are left out."""
    run = ran(tmp_path, until="ingestion")
    assert actions.purity(run.id, tmp_path, (), None, quiet=True, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["event"], found["impurities"], found["as_of"]) == ("purity", 0, "2022-12-28")
    assert found["stages"] == [*run.header.stages[1:-1]]
    assert found["left_out"] == ["ingestion", "report"]
    assert not [path for path in (tmp_path / ".quantflow").iterdir() if "tmp" in path.name or "reproduce" in path.name]
    with pytest.raises(ConfigError, match="is not a profile: --set and --as-of change nothing"):
        actions.purity(run.id, tmp_path, ("policy.top_n=1",), None, quiet=True, as_json=True)
