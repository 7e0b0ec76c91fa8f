"""The database of a new API server is a copy of a migrated one, and never anything worse than what Prefect makes."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from quantflow.server import database
from quantflow.server.database import NAME, keep_database, kept_database, prepare_database
from quantflow.server.prefect_internals import migrations


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "quantflow"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of a server that is yet to start."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    """A small database that is kept for Prefect's migrations."""
    with closing(sqlite3.connect(tmp_path / "small.db")) as made:
        made.execute("CREATE TABLE alembic_version (version_num)")
    path = kept_database(migrations())
    assert path is not None
    keep_database(tmp_path / "small.db", path)
    return path


@pytest.fixture
def asked(mocker: MockerFixture) -> Any:
    """What is called to have the database kept that Prefect will migrate."""
    return mocker.patch.object(database, "after_migrations")


@pytest.mark.parametrize("damage", ["torn", "empty", "changed", "other", "folder", "gone"])
def test_a_damaged_copy_is_not_used(home: Path, kept: Path, asked: Any, damage: str) -> None:
    """Prefect migrates as it would without it, and the damaged one is replaced."""
    whole = kept.read_bytes()
    kept.unlink()
    match damage:
        case "torn":
            kept.write_bytes(whole[: len(whole) // 2])
        case "changed":
            kept.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
        case "other":
            kept.write_bytes(b"not a database")
        case "empty":
            kept.touch()
        case "folder":
            kept.mkdir()
    prepare_database(home)
    assert list(home.iterdir()) == []
    assert asked.call_count == 1


@pytest.mark.parametrize("name", [NAME, f"{NAME}-wal"])
def test_what_is_there_is_left_alone(home: Path, kept: Path, asked: Any, name: str) -> None:
    """A database, or the log of one that was removed, which would be played into the copy."""
    (home / name).write_bytes(b"something")
    prepare_database(home)
    assert [(path.name, path.read_bytes()) for path in home.iterdir()] == [(name, b"something")]
    assert asked.call_count == 0


def test_without_a_cache_folder_nothing_is_copied(home: Path, asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor kept: as where the home folder is another user's."""
    (home / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file"))
    prepare_database(home)
    assert not (home / NAME).exists()
    assert asked.call_count == 0


def test_a_cache_that_others_may_write_is_not_believed(home: Path, kept: Path, cache: Path, asked: Any) -> None:
    """Nor is anything kept there."""
    cache.chmod(0o777)
    prepare_database(home)
    assert list(home.iterdir()) == []
    assert asked.call_count == 0


def test_what_cannot_be_kept_is_no_error(home: Path, tmp_path: Path) -> None:
    """A cache on a full or read-only disk, a database that another has locked: the server starts all the same."""
    (tmp_path / "file").touch()
    with closing(sqlite3.connect(home / NAME)) as made:
        made.execute("CREATE TABLE t (x)")
    keep_database(home / NAME, tmp_path / "file" / "kept.db.z")
    keep_database(home / "missing" / NAME, tmp_path / "kept.db.z")
    assert not (tmp_path / "kept.db.z").exists()
    assert [path.name for path in home.iterdir()] == [NAME]


def test_other_migrations_have_another_copy() -> None:
    """Another Prefect's database is never taken for this one's."""
    assert kept_database(migrations()) != kept_database([*migrations(), "2099_one_more.py"])
    assert kept_database([]) is None


def test_a_copy_is_whole_while_others_write_it(home: Path, kept: Path) -> None:
    """Several first servers at once keep theirs in turn; a reader sees one of them, whole."""
    with closing(sqlite3.connect(home / NAME)) as made:
        made.execute("CREATE TABLE t (x)")
        made.commit()
    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(keep_database, home / NAME, kept) for _ in range(12)]
        while not all(write.done() for write in writes):
            assert zlib.decompress(kept.read_bytes()).startswith(b"SQLite format 3\0")
        assert [write.result() for write in writes] == [None] * 12
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
