"""A run is owned from before its first file until its starter is done with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest

from quantflow.config.load import load_meta, load_profile
from quantflow.config.profile import MetaProfile, Profile
from quantflow.errors import ConfigError, LockedError
from quantflow.ops.garbage import find_garbage, remove
from quantflow.runs import begin
from quantflow.runs.as_of import AsOf
from quantflow.runs.begin import begun, begun_unless_done, taken_up
from quantflow.runs.done import AlreadyDone
from quantflow.runs.header import Header
from quantflow.runs.kinds import open_run
from quantflow.runs.lock import owner, removal
from quantflow.runs.record import RunRecord
from recorded import AS_OF, recorded


def swept(workspace: Path) -> tuple[str, ...]:
    """Do as ``gc --keep 0``."""
    with removal(workspace):
        return remove(workspace, find_garbage(workspace, keep=0, older_than=None)).runs


def profile(name: str, workspace: Path) -> Profile | MetaProfile:
    return (load_meta if name == "demo_meta" else load_profile)(name, workspace=workspace)


@pytest.mark.parametrize("name", ["demo", "demo_meta"])
def test_a_run_is_owned_from_its_first_file_to_the_end_of_the_block(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its record is written, sleeves' records included, the run is locked, and stays so for whoever began it."""
    locked: dict[str, bool] = {}
    create = RunRecord.create

    def watched(record: RunRecord, header: Header) -> None:
        locked[record.id] = owner(tmp_path / "runs" / "one") is not None
        create(record, header)

    monkeypatch.setattr(RunRecord, "create", watched)
    with begun(profile(name, tmp_path), tmp_path, AsOf(AS_OF), "one") as record:
        assert set(locked.values()) == {True}
        assert "one" in locked
        assert swept(tmp_path) == ()
        assert all((tmp_path / "runs" / run_id / "run.json").exists() for run_id in locked)
        assert owner(record.folder) is not None
    assert owner(record.folder) is None
    assert set(swept(tmp_path)) == set(locked)


def test_a_run_that_ended_is_kept_while_its_owner_is_at_it(tmp_path: Path) -> None:
    """Between its last stage and its publication a run says that it is complete, and cannot be removed."""
    run = recorded(tmp_path, {}, {"KO": 1.0})
    with taken_up(run):
        run.event("run.completed")
        found = open_run(tmp_path, run.id)
        assert (found.state, found.owner) == ("completed", None)
        assert swept(tmp_path) == ()
        run.event("run.started")
        assert run.again().state == "running"
    assert swept(tmp_path) == (run.id,)


def test_a_run_that_was_removed_is_not_continued(tmp_path: Path) -> None:
    """Continuing it would make half a run of it."""
    run = recorded(tmp_path, {}, {"KO": 1.0})
    assert swept(tmp_path) == (run.id,)
    with pytest.raises(ConfigError, match="was removed"), taken_up(run):
        pass
    assert not run.folder.exists()


def test_a_run_that_is_owned_is_not_begun_or_continued(tmp_path: Path) -> None:
    """A second process with the same ``--run-id`` is refused, and takes nothing away."""
    demo = load_profile("demo", workspace=tmp_path)

    def again() -> None:
        with begun(demo, tmp_path, AsOf(AS_OF), "one"):
            pass

    def further() -> None:
        with taken_up(RunRecord(tmp_path, "one")):
            pass

    with begun(demo, tmp_path, AsOf(AS_OF), "one") as record, ThreadPoolExecutor(1) as other:
        assert isinstance(other.submit(again).exception(), LockedError)
        assert isinstance(other.submit(further).exception(), LockedError)
        assert record.exists
    with pytest.raises(ConfigError, match="already a run called one"):
        again()


def test_a_refused_run_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile whose stages do not fit together leaves nothing behind."""

    def refuse(settings: object, *, hold: bool) -> None:
        raise ConfigError("no")

    monkeypatch.setattr("quantflow.runs.create.pipeline_of", refuse)
    with pytest.raises(ConfigError), begun(load_profile("demo", workspace=tmp_path), tmp_path, AsOf(AS_OF)):
        pass
    assert list((tmp_path / "runs").iterdir()) == []


def test_two_runs_never_get_the_same_generated_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many runs of one session two may draw the same digits: the second draws again."""
    drawn = iter(["one", "one", "two"])
    monkeypatch.setattr(begin, "default_run_id", lambda profile, as_of: next(drawn))
    demo = load_profile("demo", workspace=tmp_path)
    with begun(demo, tmp_path, AsOf(AS_OF)) as first, begun(demo, tmp_path, AsOf(AS_OF)) as second:
        assert (first.id, second.id) == ("one", "two")


def test_a_run_that_is_done_stays_until_it_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second ``select`` names the complete run; ``gc`` waits until that is published."""
    run = recorded(tmp_path, {}, {"KO": 1.0})
    monkeypatch.setattr(begin, "find_done", lambda profile, workspace, as_of, by_hand: run if as_of == AS_OF else None)
    demo = load_profile("demo", workspace=tmp_path)
    with ThreadPoolExecutor(1) as other:
        with begun_unless_done(demo, tmp_path, AsOf(AS_OF)) as found:
            gone = other.submit(swept, tmp_path)
            assert found == AlreadyDone(run)
            with pytest.raises(TimeoutError):
                gone.result(timeout=0.2)
            assert run.exists
        assert gone.result(timeout=10) == (run.id,)
    with begun_unless_done(demo, tmp_path, AsOf(date(2022, 1, 3) + timedelta(1))) as found:
        assert isinstance(found, RunRecord)
        assert swept(tmp_path) == ()
