"""The data checks of a run are found where they are, and where there are none the way on is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.data.store import ArtifactStore
from quantflow.errors import ConfigError
from quantflow.review.checks import checks_of
from quantflow.runs.layout import Layout
from quantflow.runs.record import StageRecord
from recorded import created

CHECKS = {"asked": 2, "kept": 2, "checks": []}


def test_checks_come_from_the_artifact(tmp_path: Path) -> None:
    """A run whose ingestion is done has them in its store."""
    record = created(tmp_path)
    ref = ArtifactStore(Layout.of(tmp_path, None).store).put("checks", CHECKS)
    record.write_stage(StageRecord("ingestion", "done", outputs={"checks": ref}))
    assert checks_of(record) == CHECKS


def test_a_run_with_a_walk_forward_says_how_many_names_ended(tmp_path: Path) -> None:
    """The share is that of the walk-forward's own figures; a run that has none yet says nothing of it."""
    record = created(tmp_path)
    store, universe = ArtifactStore(Layout.of(tmp_path, None).store), {"names": 30, "ended": 7, "share": 7 / 30}
    made = {"checks": store.put("checks", CHECKS), "metrics": store.put("metrics", {"universe": universe})}
    record.write_stage(StageRecord("ingestion", "done", outputs=made))
    assert checks_of(record) == {**CHECKS, "universe": universe}


def test_checks_come_from_the_error_that_they_caused(tmp_path: Path) -> None:
    """A run that they stopped has no artifact; its error carries them."""
    record = created(tmp_path)
    record.write_stage(StageRecord("ingestion", "failed", error={"message": "x", "context": {"checks": CHECKS}}))
    assert checks_of(record) == CHECKS


@pytest.mark.parametrize(("kind", "says"), [("selection", "were not checked"), ("meta", "is a meta run")])
def test_a_run_without_checks_says_why(tmp_path: Path, kind: str, says: str) -> None:
    """A run that did not come that far, and a meta run, have none."""
    with pytest.raises(ConfigError, match=says):
        checks_of(created(tmp_path, kind=kind))
