"""The current books on disk: what a reader finds, and what is said of those that are not whole."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from quantflow.desk.target import target_of
from quantflow.errors import ConfigError, InfrastructureError, LockedError
from quantflow.runs import book
from quantflow.runs.book import FILES, broken, current, place_of, publishing, put, stale, tidy, write_stale

WHOLE = dict.fromkeys(FILES, b'{"run_id": "one", "as_of": "2022-12-28", "weights": {}}')


def moved(home: Path, run_id: str) -> Path:
    """Make a book of *run_id*, as a publisher does; return its folder."""
    facts = f'{{"run_id": "{run_id}", "as_of": "2022-12-28", "weights": {{}}}}'.encode()
    tidy(home, "demo")
    return put(home, "demo", run_id, {**WHOLE, "book.json": facts}).resolve()


def test_who_resolved_the_link_can_finish_reading(tmp_path: Path) -> None:
    """The folder of a replaced book stays for an hour, whatever is published meanwhile; then it goes."""
    first = moved(tmp_path, "one")
    second = moved(tmp_path, "two")
    third = moved(tmp_path, "three")
    assert {name: (first / name).is_file() for name in FILES} == dict.fromkeys(FILES, True)
    an_hour_ago = time.time() - book.GRACE_SECONDS - 1
    os.utime(first / book.REPLACED, (an_hour_ago, an_hour_ago))
    moved(tmp_path, "four")
    assert (first.exists(), second.exists(), third.exists()) == (False, True, True)


def test_the_same_run_gets_a_new_folder_when_it_is_published_again(tmp_path: Path) -> None:
    """A live folder is never written to, renamed or removed: a run that was executed again is put beside it."""
    first, again = moved(tmp_path, "one"), moved(tmp_path, "one")
    assert first != again
    assert first.is_dir()
    assert place_of(tmp_path, "demo").resolve() == again


def test_a_mark_of_another_book_says_nothing(tmp_path: Path) -> None:
    """A publisher that was killed after it moved the book leaves the mark of the former one behind."""
    moved(tmp_path, "one")
    former = current(tmp_path, "demo")
    assert former is not None
    write_stale(tmp_path, "demo", former, "two", ["it failed: no"])
    assert "it failed: no" in (stale(tmp_path, "demo") or "")
    moved(tmp_path, "three")
    assert stale(tmp_path, "demo") is None


def test_a_broken_book_is_named_with_the_command_that_helps(tmp_path: Path) -> None:
    """A link to nothing, and a folder without all files; a whole book, marks and hidden folders are no cause."""
    folder = moved(tmp_path, "one")
    assert broken(tmp_path) == []
    (folder / "brief.txt").unlink()
    (found,) = broken(tmp_path)
    assert (found.profile, found.problem) == ("demo", "current/demo has no brief.txt")
    assert found.fix == "quantflow catchup", "no complete run is left"
    shutil.rmtree(folder)
    (found,) = broken(tmp_path)
    assert found.problem == "current/demo is a link to nothing"
    for profile in (None, "demo"):
        with pytest.raises(ConfigError, match="broken: current/demo is a link to nothing"):
            target_of(tmp_path, None, profile)


def test_a_folder_in_place_of_the_link_is_not_touched(tmp_path: Path) -> None:
    """A book that somebody copied there is theirs: publishing says what is in the way, and leaves nothing behind."""
    (tmp_path / "current" / "demo").mkdir(parents=True)
    (tmp_path / "current" / "demo" / "mine.txt").touch()
    with pytest.raises(InfrastructureError, match="in the way of the book"):
        moved(tmp_path, "one")
    assert (tmp_path / "current" / "demo" / "mine.txt").exists()
    assert list((tmp_path / "current" / ".books" / "demo").iterdir()) == []


def test_one_publisher_at_a_time_per_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one of the same profile waits, and gives up in words; another profile's does not."""
    monkeypatch.setattr(book, "PUBLISHING_SECONDS", 0.05)
    refused = pytest.raises(LockedError, match=r"demo\.lock was not free")
    with publishing(tmp_path, "demo"), publishing(tmp_path, "other"), refused, publishing(tmp_path, "demo"):
        pass
