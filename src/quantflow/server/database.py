"""The database of a new API server: a copy of one that was migrated before, since Prefect's migrations take seconds.

The copy to come is kept in the user's cache folder, compressed, under the hash of the migrations that made it. It was
taken before the server wrote anything, so it holds no word of any run. Its check sum tells whether it is whole; where
it is not, or nothing can be kept, Prefect migrates as it would without it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from quantflow.config.workspaces import cache_folder
from quantflow.data.store import write_atomic
from quantflow.errors import InfrastructureError
from quantflow.server.prefect_internals import after_migrations, migrations

NAME = "prefect.db"


def prepare_database(home: Path) -> None:
    """Put a migrated database where a server has none yet, or have the one that it migrates now kept for the next.

    Args:
        home: The server's folder; no server runs there.
    """
    if any(home.glob(f"{NAME}*")):  # also a log of writes that is left alone: SQLite would play it into the copy
        return
    kept = kept_database(migrations())
    if kept is None:
        return
    try:
        content = zlib.decompress(kept.read_bytes())
    except (OSError, zlib.error):  # missing, unreadable, torn or damaged
        after_migrations(partial(keep_database, home / NAME, kept))
        return
    with suppress(InfrastructureError):  # Prefect will say that it cannot write
        write_atomic(home / NAME, content)


def kept_database(names: Sequence[str]) -> Path | None:
    """Return where the database that *names*, migrations, make is kept; None if they are unknown or nothing can be."""
    folder = cache_folder()
    if folder is None or not names:
        return None
    return folder / "databases" / f"{hashlib.sha256(json.dumps(names).encode()).hexdigest()[:32]}.db.z"


def keep_database(database: Path, kept: Path) -> None:
    """Write a copy of *database* to *kept*; nothing where that cannot be done, since it saves time alone."""
    with (
        suppress(OSError, sqlite3.Error, InfrastructureError),
        tempfile.TemporaryDirectory(dir=database.parent) as folder,
        closing(sqlite3.connect(database)) as source,
    ):
        copy = Path(folder) / NAME
        source.execute("VACUUM INTO ?", (str(copy),))  # with what is still in its write-ahead log
        write_atomic(kept, zlib.compress(copy.read_bytes()))
