"""The current books on disk: ``current/PROFILE``, a link to a whole folder, and ``PROFILE.STALE`` beside it."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quantflow.data.position import Line
from quantflow.data.sealed import refuse_newer
from quantflow.data.store import fsync_folder, private_folder, sweep, write_atomic
from quantflow.data.track import lines_of
from quantflow.errors import InfrastructureError
from quantflow.runs.exports import EXPORTS
from quantflow.runs.find import list_runs
from quantflow.runs.kinds import Sweep
from quantflow.runs.lock import waited_for

FACTS = "book.json"
BOOK_VERSION = 1
"""A ``book.json`` without a ``schema_version`` is of the first."""
TRACK = "track.csv"
FILES: tuple[str, ...] = (FACTS, *EXPORTS.values())
"""What a whole book consists of."""

REPLACED = ".replaced"
"""In a folder that a book was: the time of this file is when another took its place."""

GRACE_SECONDS = 3600.0
"""How long a replaced folder stays, for readers that resolved the link before."""

PUBLISHING_SECONDS = 120.0
"""How long a publisher waits for those before it; each takes milliseconds."""

_NAMED = re.compile(r"\(run (\S+)\)\.$")


@dataclass(frozen=True)
class Book:
    """What is published of a profile.

    Attributes:
        run_id: The run.
        as_of: Its session, ISO.
        weights: What is to be held: signed fraction of capital, by symbol.
        decided: The session at whose close that was decided, ISO; that of the run where it is not recorded.
        next: The next session on which a decision is due, ISO; empty where it is not recorded.
        promised: What the walk-forward promised, as ``data.track.promised`` has it.
    """

    run_id: str
    as_of: str
    weights: Mapping[str, float]
    decided: str = ""
    next: str = ""
    promised: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """A book that cannot be read whole.

    Attributes:
        profile: Whose it is.
        problem: What is wrong with it.
        fix: The command that publishes it again.
    """

    profile: str
    problem: str
    fix: str

    def json(self) -> dict[str, str]:
        """Return it as JSON values."""
        return vars(self).copy()


def current(workspace: Path, profile: str) -> Book | None:
    """Return the current book of a profile; None when there is none.

    Raises:
        NewerRecordError: If a newer quantflow has published it: to take it for none would buy all of it again.
    """
    try:
        facts = json.loads((place_of(workspace, profile) / FACTS).read_bytes())
        refuse_newer(facts, BOOK_VERSION, f"The book of {profile}")
        known = {name: facts[name] for name in ("decided", "next", "promised") if name in facts}
        return Book(facts["run_id"], facts["as_of"], facts["weights"], **known)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def track(workspace: Path, profile: str) -> list[Line]:
    """Return the track of a profile's book, oldest session first; empty when there is none.

    Raises:
        IntegrityError: If a line was changed, added or taken out since it was written.
    """
    place = place_of(workspace, profile) / TRACK
    try:
        return lines_of(place.read_text(encoding="utf-8"), place)
    except FileNotFoundError:
        return []


def books(workspace: Path) -> list[str]:
    """Return the profiles that have a current book, sorted."""
    return sorted(path.parent.name for path in (workspace / "current").glob(f"[!.]*/{FACTS}"))


def broken(workspace: Path) -> list[Broken]:
    """Return the books that lead nowhere or are not whole, sorted by profile."""
    found = []
    for path in sorted((workspace / "current").glob("[!.]*")):
        missing = [name for name in FILES if not (path / name).is_file()]
        if path.is_symlink() and not path.exists():
            found.append(Broken(path.name, f"current/{path.name} is a link to nothing", _fix(workspace, path.name)))
        elif path.is_dir() and missing:
            problem = f"current/{path.name} has no {', '.join(missing)}"
            found.append(Broken(path.name, problem, _fix(workspace, path.name)))
    return found


def _fix(workspace: Path, profile: str) -> str:
    runs = [run for run in list_runs(workspace) if run.state == "completed" and not isinstance(run, Sweep)]
    own = [run.id for run in runs if run.profile == profile and not run.header.until]
    return f"quantflow publish {own[-1]}" if own else "quantflow catchup"


def place_of(workspace: Path, profile: str) -> Path:
    """Return where a profile's current book is found."""
    return workspace / "current" / profile


@contextmanager
def publishing(workspace: Path, profile: str) -> Iterator[None]:
    """Be the only one to read and change a profile's book, and its mark, until the block ends.

    Raises:
        LockedError: If another publisher did not end in two minutes.
    """
    with waited_for(workspace / ".quantflow" / "books" / f"{profile}.lock", PUBLISHING_SECONDS):
        yield


def holds(workspace: Path, profile: str, files: Mapping[str, bytes]) -> bool:
    """Whether a profile's current book consists of these files."""
    place = place_of(workspace, profile)
    try:
        return all((place / name).read_bytes() == data for name, data in files.items())
    except OSError:
        return False


def put(workspace: Path, profile: str, run_id: str, files: Mapping[str, bytes]) -> Path:
    """Make *files* a profile's current book in one step; within ``publishing``.

    The folder of a book is never renamed, changed or reused, and outlives its replacement by an hour, so a process that
    resolved the link can finish reading.

    Raises:
        InfrastructureError, OSError: If it cannot be written, or something else is there; then that stays.
    """
    place, folders = place_of(workspace, profile), _folders(workspace, profile)
    if place.exists() and not place.is_symlink():
        raise InfrastructureError(
            f"{place} is in the way of the book: it is not a link that quantflow made.",
            hint=f"Move it away, then: quantflow publish {run_id}",
        )
    folder = folders / f"{run_id}.{secrets.token_hex(4)}"
    for name, data in files.items():
        write_atomic(folder / name, data)
    fsync_folder(folders)
    if former := _live(place, folders):
        (former / REPLACED).touch()  # before, so that a kill here leaves no former book without its mark
    link = folders / ".link"
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(folder, place.parent))
    link.rename(place)
    fsync_folder(place.parent)
    return place


def tidy(workspace: Path, profile: str) -> None:
    """Remove what killed publishers have left, and books that were replaced long ago; within ``publishing``."""
    folders = workspace / "current" / ".books" / profile
    live = _live(place_of(workspace, profile), folders)
    for each in folders.iterdir() if folders.is_dir() else ():
        if each.is_symlink():
            each.unlink()
        elif each.resolve() != live and not _recent(each / REPLACED):
            shutil.rmtree(each, ignore_errors=True)
    sweep([workspace / "current"])


def _live(place: Path, folders: Path) -> Path | None:
    """Return the folder that is the book; None when quantflow made none."""
    found = place.resolve()
    return found if found.parent == folders.resolve() and found.is_dir() else None


def _folders(workspace: Path, profile: str) -> Path:
    private_folder(workspace / "current" / ".books" / profile)
    return workspace / "current" / ".books" / profile


def _recent(mark: Path) -> bool:
    try:
        return time.time() - mark.stat().st_mtime < GRACE_SECONDS
    except OSError:
        return False


def stale(workspace: Path, profile: str) -> str | None:
    """Return what the file beside a profile's book says of runs that did not replace it; None when there is none.

    The file names the book that it is about. Beside another book it is left over from a publisher that was killed
    between moving the book and removing the file, and says nothing.
    """
    try:
        text = stale_file(workspace, profile).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    about, book = _NAMED.search(text.partition("\n")[0]), current(workspace, profile)
    return None if about and book and about[1] != book.run_id else text


def write_stale(workspace: Path, profile: str, book: Book, run_id: str, reasons: list[str]) -> None:
    """Say beside a profile's book that a newer run did not replace it, and why; within ``publishing``."""
    lines = [f"The book is of {book.as_of} (run {book.run_id}).", f"Run {run_id} did not replace it:", *reasons]
    write_atomic(stale_file(workspace, profile), ("\n".join(lines) + "\n").encode())


def stale_file(workspace: Path, profile: str) -> Path:
    """Return the place of the file that marks a profile's book as stale."""
    return workspace / "current" / f"{profile}.STALE"
