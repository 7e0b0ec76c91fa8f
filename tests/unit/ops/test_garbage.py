"""What ``gc`` removes, and what it never does."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quantflow.data.cache import StageCache
from quantflow.data.store import ArtifactStore
from quantflow.ops.garbage import Garbage, find_garbage, remove
from quantflow.runs.find import list_runs
from quantflow.runs.header import Parent
from quantflow.runs.layout import Layout
from quantflow.runs.lock import owned
from quantflow.runs.record import RunRecord, StageRecord
from quantflow.runs.sleeves import SleeveLink
from recorded import created


def make(workspace: Path, run_id: str, value: int, **header: object) -> Path:
    """Make a run of one stage with one artifact and its cache record; return the artifact's file."""
    layout = Layout.of(workspace)
    store = ArtifactStore(layout.store)
    ref = store.put("metrics", {"value": value})
    record = created(workspace, run_id, **header)
    record.write_stage(StageRecord("ingestion", "done", key=f"key-{value}", outputs={"metrics": ref}))
    StageCache(layout.cache, store).write(f"key-{value}", {"outputs": {"metrics": ref.json()}, "summary": {}})
    return Path(store.path(ref))


def swept(workspace: Path, keep: int = 0) -> Garbage:
    """Look and remove."""
    return remove(workspace, find_garbage(workspace, keep=keep, older_than=None))


def runs_of(workspace: Path) -> set[str]:
    return {path.name for path in (workspace / "runs").iterdir()}


def test_the_newest_stay_and_the_others_go_with_their_files(tmp_path: Path) -> None:
    """Removed are the oldest runs, and those files that no remaining run refers to; what is shared stays."""
    old, shared, new = make(tmp_path, "old", 1), make(tmp_path, "older", 2), make(tmp_path, "new", 3)
    assert make(tmp_path, "newest", 2) == shared
    found = find_garbage(tmp_path, keep=2, older_than=None)
    assert found.runs == ("old", "older")
    assert old.exists()
    remove(tmp_path, found)
    assert [run.id for run in list_runs(tmp_path)] == ["new", "newest"]
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
    make(tmp_path, "meta.one", 2, parent=Parent("meta", "one", "meta"))
    make(
        tmp_path,
        "meta",
        3,
        kind="meta",
        sleeves=(
            "one",
            "two",
        ),
    )
    meta = RunRecord(tmp_path, "meta")
    SleeveLink("one", "meta.one", "demo", "profile", "hash").write(meta.folder)
    SleeveLink("two", "pinned", "demo", "profile", "hash", pinned=True).write(meta.folder)
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


def test_one_odd_run_does_not_keep_the_others(tmp_path: Path) -> None:
    """A deeply nested record, a link in place of a run, a sleeve's link that cannot be read: the others go, and it is
    said which are left alone; what they refer to stays.
    """
    elsewhere = tmp_path / "elsewhere"
    linked = make(elsewhere, "linked", 1)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "linked").symlink_to(elsewhere / "runs" / "linked")
    make(tmp_path, "meta.one", 2, parent=Parent("meta", "one", "meta"))
    make(tmp_path, "meta", 3, kind="meta", sleeves=("one",))
    SleeveLink("one", "meta.one", "demo", "profile", "hash").write(tmp_path / "runs" / "meta")
    (tmp_path / "runs" / "meta" / "sleeves" / "one.json").write_text("{" * 100_000)
    nested = make(tmp_path, "nested", 4)
    (tmp_path / "runs" / "nested" / "stages" / "1-ingestion.json").write_text("[" * 100_000)
    old = make(tmp_path, "old", 5)
    found = swept(tmp_path)
    assert set(found.runs) == {"nested", "old"}
    assert runs_of(tmp_path) == {"linked", "meta", "meta.one"}
    assert {each.name for each in found.left} == {"linked", "meta"}
    assert [each.why for each in found.left if each.name == "linked"] == ["runs/linked is a link"]
    assert linked.exists()
    assert not old.exists()
    assert not nested.exists()
    assert all(len(list((tmp_path / ".quantflow" / "cache").glob(f"key-{n}.json"))) == 1 for n in (2, 3))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"outputs": [1]}', '{"key": "key-2", "outputs": {"a": {"sha256": "X"']
)
def test_a_damaged_stage_record_still_says_what_it_refers_to(text: str, tmp_path: Path) -> None:
    """What a kept run's record names stays, whatever shape the record is in; the look goes on."""
    make(tmp_path, "old", 1)
    kept = make(tmp_path, "kept", 2)
    path = tmp_path / "runs" / "kept" / "stages" / "1-ingestion.json"
    path.write_text(text.replace("X", kept.name.partition(".")[0]))
    assert swept(tmp_path, keep=1).runs == ("old",)
    assert kept.exists() is ("X" in text)


def test_a_run_that_is_taken_after_the_look_stays(tmp_path: Path) -> None:
    """Each run is removed under its lock, with its sleeves or not at all; where one stays, its files stay too."""
    make(tmp_path, "meta.one", 1, parent=Parent("meta", "one", "meta"))
    make(tmp_path, "meta", 2, kind="meta", sleeves=("one",))
    SleeveLink("one", "meta.one", "demo", "profile", "hash").write(tmp_path / "runs" / "meta")
    make(tmp_path, "free", 3)
    found = find_garbage(tmp_path, keep=0, older_than=None)
    assert found.runs == ("free", "meta", "meta.one")
    with ThreadPoolExecutor(1) as other, owned(tmp_path / "runs" / "meta.one"):
        gone = other.submit(remove, tmp_path, found).result()
    assert (gone.runs, gone.files) == (("free",), ())
    assert [(each.name, "being worked on" in each.why) for each in gone.left] == [("meta", True)]
    assert runs_of(tmp_path) == {"meta", "meta.one"}
    assert len(list((tmp_path / ".quantflow" / "cache").iterdir())) == 3
    assert find_garbage(tmp_path, keep=0, older_than=None).runs == ("meta", "meta.one")


def test_a_sleeve_at_work_keeps_its_portfolio(tmp_path: Path) -> None:
    """A worker that outlived its driver owns its sleeve: the whole meta run stays, its other sleeves too."""
    make(tmp_path, "meta.one", 1, parent=Parent("meta", "one", "meta"))
    make(tmp_path, "meta", 2, kind="meta", sleeves=("one",))
    SleeveLink("one", "meta.one", "demo", "profile", "hash").write(tmp_path / "runs" / "meta")
    with owned(tmp_path / "runs" / "meta.one"):
        assert find_garbage(tmp_path, keep=0, older_than=None).runs == ()


def test_what_a_live_portfolio_is_pinned_to_stays(tmp_path: Path) -> None:
    """A meta run at work reads the runs that its profile names."""
    make(tmp_path, "pinned", 1)
    make(tmp_path, "meta", 2, kind="meta", sleeves=("two",))
    SleeveLink("two", "pinned", "demo", "profile", "hash", pinned=True).write(tmp_path / "runs" / "meta")
    with owned(tmp_path / "runs" / "meta"):
        assert swept(tmp_path).families == ()
    assert swept(tmp_path).runs == ("meta", "pinned")


def test_what_a_killed_creation_left_goes(tmp_path: Path) -> None:
    """A folder without a record, and sleeves whose meta run was never written; a folder of somebody's own stays."""
    (tmp_path / "runs" / "bare" / "stages").mkdir(parents=True)
    (tmp_path / "runs" / "bare" / "lock").touch()
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "runs" / "notes" / "mine.txt").touch()
    make(tmp_path, "meta.one", 1, parent=Parent("meta", "one", "meta"))
    make(tmp_path, "newest", 2)
    assert swept(tmp_path, keep=1).runs == ("bare", "meta.one")
    assert runs_of(tmp_path) == {"notes", "newest"}


def test_half_a_removal_is_finished_by_the_next(tmp_path: Path) -> None:
    """A run leaves the listing in one step; what a killed ``gc`` left of it is swept."""
    make(tmp_path, "old", 1)
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = tmp_path / "runs" / f".tmp-{socket.gethostname()}-{int(dead.stdout)}-x"
    left.mkdir()
    (tmp_path / "runs" / "old").rename(left / "old")
    assert list_runs(tmp_path) == []
    assert len(swept(tmp_path).files) == 2
    assert runs_of(tmp_path) == set()


@pytest.mark.parametrize("place", ["", "artifacts", "cache", "shard"])
def test_links_in_the_store_are_not_followed(place: str, tmp_path: Path) -> None:
    """Where a folder of the store is a link, somebody else may use what it leads to: all files stay, and it is said."""
    artifact = make(tmp_path, "old", 1)
    target = artifact.parent if place == "shard" else tmp_path / ".quantflow" / place
    target.rename(tmp_path / "elsewhere")
    target.symlink_to(tmp_path / "elsewhere")
    found = swept(tmp_path)
    assert (found.runs, found.files) == (("old",), ())
    assert [each.name for each in found.left] == [str(target.relative_to(tmp_path))]
    assert artifact.exists()


SWEPT_BY_NOBODY = """
import os, sys
from pathlib import Path
from quantflow.ops.garbage import find_garbage, remove
home = Path(sys.argv[1])
if os.geteuid() == 0:
    for path in (home, *home.rglob("*")):
        if "theirs" not in path.parts:
            os.chown(path, 65534, 65534)
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
gone = remove(home, find_garbage(home, keep=0, older_than=None))
print(gone.runs, gone.files, [each.name for each in gone.left])
"""
"""``gc`` as a user whom permissions bind; modules are imported before, since that user may not be able to."""


def test_a_folder_that_cannot_be_read_keeps_all_files() -> None:
    """Another user's folder among the runs may refer to any file: it is named, the files stay, and the runs go."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        home = Path(name)
        artifact = make(home, "old", 1)
        (home / "runs" / "theirs" / "stages").mkdir(parents=True)
        (home / "runs" / "theirs").chmod(0)
        command = [sys.executable, "-c", SWEPT_BY_NOBODY, name]
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
        (home / "runs" / "theirs").chmod(0o700)
        assert shown.stdout.strip() == "('old',) () ['runs/theirs/stages']", shown.stderr
        assert artifact.exists()


def test_only_what_the_store_names_is_removed(tmp_path: Path) -> None:
    """A file or folder of another name in the store is not quantflow's."""
    artifact = make(tmp_path, "old", 1)
    (artifact.parent / "README").touch()
    (artifact.parent / "folder").mkdir()
    (artifact.parent / f"{'0' * 64}.parquet").symlink_to("README")
    assert artifact in swept(tmp_path).files
    assert {path.name for path in artifact.parent.iterdir()} == {"README", "folder", f"{'0' * 64}.parquet"}


def test_a_run_that_cannot_be_removed_is_named(tmp_path: Path) -> None:
    """Something in place of its lock file: the run is left alone with the reason, the others go."""
    make(tmp_path, "odd", 1)
    make(tmp_path, "old", 2)
    (tmp_path / "runs" / "odd" / "lock").mkdir()
    found = swept(tmp_path)
    assert (found.runs, found.files) == (("old",), ())
    assert [each.name for each in found.left] == ["odd"]
