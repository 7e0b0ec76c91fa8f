"""The copied database under a real server: it is what Prefect migrates, and Prefect migrates what it has not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from processes import api_of
from quantflow.server.database import NAME, keep_database, kept_database, prepare_database
from quantflow.server.prefect_internals import migrations
from quantflow.server.server import api_server


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "quantflow"


def content(path: Path) -> dict[str, Any]:
    """All of a database: what it is made of, and the rows of each table."""
    with closing(sqlite3.connect(path)) as found:
        made = found.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        rows = {name: found.execute(f'SELECT * FROM "{name}"').fetchall() for kind, name, _ in made if kind == "table"}
    return {"made": made, **rows}


def test_the_copy_is_what_prefect_migrates_and_no_more(tmp_path: Path, cache: Path) -> None:
    """Tables, indexes and version of the copy are those of a migrated database, and no row of another workspace."""
    with api_server(tmp_path / "first") as server:
        with api_of(server) as client:
            answer = client.post("/flows/", json={"name": "of the first workspace"}, timeout=90)
        assert answer.status_code == 201
        migrated = content(tmp_path / "first" / ".quantflow" / "server" / NAME)
    assert len(list((cache / "databases").iterdir())) == 1
    assert (cache / "databases").stat().st_mode & 0o077 == 0
    home = tmp_path / "home"
    home.mkdir()
    prepare_database(home)
    copied = content(home / NAME)
    assert (home / NAME).stat().st_mode & 0o077 == 0
    assert copied.pop("made") == migrated.pop("made")
    assert copied.pop("alembic_version") == migrated.pop("alembic_version")
    assert not any(copied.values())
    assert migrated["flow"]


def test_a_server_starts_on_the_copy(tmp_path: Path) -> None:
    """It answers requests that write, and it migrates what the copy lacks: here, everything but the version table."""
    with closing(sqlite3.connect(tmp_path / "small.db")) as made:
        made.execute("CREATE TABLE alembic_version (version_num)")
    kept = kept_database(migrations())
    assert kept is not None
    keep_database(tmp_path / "small.db", kept)
    with api_server(tmp_path / "second") as server, api_of(server) as client:
        answer = client.post("/flows/", json={"name": "flow"}, timeout=90)
    assert answer.status_code == 201
    assert content(tmp_path / "second" / ".quantflow" / "server" / NAME)["flow"]
