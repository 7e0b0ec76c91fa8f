"""What ``gc`` removes, and what it never does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quantflow.data.cache import StageCache
from quantflow.data.store import ArtifactStore
from quantflow.runs.garbage import find_garbage, remove
from quantflow.runs.layout import Layout
from quantflow.runs.lock import owned
from quantflow.runs.record import RunRecord, StageRecord
from quantflow.runs.sleeves import SleeveLink
from quantflow.runs.status import list_runs

HEADER = {
    "kind": "selection",
    "profile": "demo",
    "as_of": "2022-12-28",
    "settings": {},
    "sources": {},
    "stages": ["ingestion"],
    "store": None,
    "parent": None,
}


def make(workspace: Path, run_id: str, value: int, **header: object) -> Path:
    """Make a run of one stage with one artifact and its cache record; return the artifact's file."""
    layout = Layout.of(workspace)
    store = ArtifactStore(layout.store)
    ref = store.put("metrics", {"value": value})
    record = RunRecord(workspace, run_id)
    record.create({**HEADER, **header})
    record.write_stage(StageRecord("ingestion", "done", key=f"key-{value}", outputs={"metrics": ref}))
    StageCache(layout.cache, store).write(f"key-{value}", {"outputs": {"metrics": ref.json()}, "summary": {}})
    return Path(store.path(ref))


def test_the_newest_stay_and_the_others_go_with_their_files(tmp_path: Path) -> None:
    """Removed are the oldest runs, and those files that no remaining run refers to; what is shared stays."""
    old, shared, new = make(tmp_path, "old", 1), make(tmp_path, "older", 2), make(tmp_path, "new", 3)
    assert make(tmp_path, "newest", 2) == shared
    found = find_garbage(tmp_path, keep=2, older_than=None)
    assert found.runs == ("old", "older")
    assert old.exists()
    remove(tmp_path, found)
    assert [run.record.run_id for run in list_runs(tmp_path)] == ["new", "newest"]
    assert (old.exists(), shared.exists(), new.exists()) == (False, True, True)
    assert {path.stem for path in (tmp_path / ".quantflow" / "cache").iterdir()} == {"key-2", "key-3"}


def test_a_live_run_and_all_files_are_left_alone(tmp_path: Path) -> None:
    """A run at work is never removed, and while there is one no file is: it may be about to be referred to."""
    make(tmp_path, "live", 1)
    make(tmp_path, "dead", 2)
    with owned(tmp_path / "runs" / "live"):
        found = find_garbage(tmp_path, keep=0, older_than=None)
        assert (found.runs, found.files, found.live) == (("dead",), (), ("live",))


def test_young_runs_stay(tmp_path: Path) -> None:
    """``--older-than`` spares what is younger."""
    make(tmp_path, "young", 1)
    now = datetime.now(UTC)
    assert find_garbage(tmp_path, 0, timedelta(days=1), now).runs == ()
    assert find_garbage(tmp_path, 0, timedelta(days=1), now + timedelta(days=2)).runs == ("young",)


@pytest.mark.parametrize("keep", [0, 1])
def test_sleeves_stay_and_go_with_their_portfolio(keep: int, tmp_path: Path) -> None:
    """A kept meta run keeps its sleeves, pinned runs too; a removed one takes its own sleeves with it."""
    make(tmp_path, "pinned", 1)
    make(tmp_path, "meta.one", 2, parent={"run_id": "meta", "sleeve": "one"})
    make(tmp_path, "meta", 3, kind="meta", sleeves=["one", "two"])
    meta = RunRecord(tmp_path, "meta")
    SleeveLink("one", "meta.one", "demo", "profile", "hash").write(meta)
    SleeveLink("two", "pinned", "demo", "profile", "hash", pinned=True).write(meta)
    gone = find_garbage(tmp_path, keep=keep, older_than=None).runs
    assert gone == (("meta", "meta.one", "pinned") if keep == 0 else ())


def test_the_run_of_a_current_book_stays(tmp_path: Path) -> None:
    """However old it is: the book's prices and facts lie with it."""
    for number, name in enumerate(("booked", "old", "new")):
        make(tmp_path, name, number)
    book = tmp_path / "current" / "demo" / "book.json"
    book.parent.mkdir(parents=True)
    book.write_text('{"run_id": "booked", "as_of": "2022-12-28", "weights": {}}')
    assert find_garbage(tmp_path, keep=1, older_than=None).runs == ("old",)
