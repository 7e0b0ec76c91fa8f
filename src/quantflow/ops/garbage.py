"""Which runs, cached results and artifacts are no longer needed, and removing them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from quantflow.data.store import sweep, temporary_folder
from quantflow.errors import IntegrityError, QuantflowError
from quantflow.runs.book import books, current
from quantflow.runs.find import list_runs, refuse_newer_runs
from quantflow.runs.kinds import Unreadable
from quantflow.runs.layout import Layout
from quantflow.runs.lock import owned, owner
from quantflow.runs.research.trial import FOLDER as TRIALS
from quantflow.runs.run import Run

_QUOTED = re.compile(rb'"([A-Za-z0-9._-]+)"')
_ARTIFACT = re.compile(r"[0-9a-f]{64}\.[a-z.]+")
_BARE = frozenset({"lock", "stages", "sleeves", TRIALS})
"""All that the folder of a run has whose creation was cut short, besides unfinished files."""


@dataclass(frozen=True)
class Left:
    """Something that was left alone.

    Attributes:
        name: The run, or the folder.
        why: The reason.
    """

    name: str
    why: str


@dataclass(frozen=True)
class Garbage:
    """What can go, or has gone.

    Attributes:
        families: Ids of runs that go together, each run after its sleeves.
        files: Cached results and artifacts that no remaining run refers to.
        bytes: The size of ``files``.
        live: Ids of runs at work; while there are any, ``files`` is empty, since what they are about to refer to
            cannot be known.
        left: What would go, but is left alone.
    """

    families: tuple[tuple[str, ...], ...]
    files: tuple[Path, ...]
    bytes: int
    live: tuple[str, ...]
    left: tuple[Left, ...]

    @property
    def runs(self) -> tuple[str, ...]:
        """The ids of all runs that can go, sorted."""
        return tuple(sorted({name for family in self.families for name in family}))


def find_garbage(workspace: Path, keep: int, older_than: timedelta | None, now: datetime | None = None) -> Garbage:
    """Return what can go from a workspace and its local store; within ``removal`` if it is to be removed.

    The runs of the current books, and those that decided them, stay; and so do links, since what they lead to may be
    another's.

    Args:
        workspace: The folder that holds ``runs/``.
        keep: The newest runs, as many as this, always stay.
        older_than: Runs younger than this stay too; None for no such rule.
        now: The time; the clock's when None.

    Raises:
        NewerRecordError: If a newer quantflow has written a run here: what that refers to cannot be known.
    """
    refuse_newer_runs(workspace)
    runs = {run.id: run for run in list_runs(workspace, sleeves=True)}
    live = {name for name in runs if owner(workspace / "runs" / name)}
    held = {run_id for name in books(workspace) for run_id in _of_the_book(workspace, name, runs)}
    limit = (now or datetime.now(UTC)) - (older_than or timedelta(0))
    top = [name for name, run in runs.items() if run.state != "unreadable" and _is_top(run, runs)]
    families = {name: _family(name, runs) for name in top}
    old = [name for name in _beyond(keep, top, runs) if name not in held and _created(runs[name]) <= limit]
    left = [Left(name, why) for name in old if (why := _odd(workspace, families[name], runs))]
    gone = [name for name in old if not live & set(families[name]) and name not in {each.name for each in left}]
    kept = {member for name in top if name not in gone for member in families[name]}
    going = [tuple(member for member in families[name] if member not in kept) for name in gone]
    going = [family for family in going if family] + [(name,) for name in _bare(workspace, limit)]
    files, unknown = ([], []) if live else _unused(workspace, {member for family in going for member in family})
    size = sum(path.lstat().st_size for path in files)
    return Garbage(tuple(going), tuple(files), size, tuple(sorted(live)), (*left, *unknown))


def _of_the_book(workspace: Path, profile: str, runs: Mapping[str, Run]) -> set[str]:
    """Return the run of a profile's book, and the one that decided what it holds."""
    book = current(workspace, profile)
    if book is None:
        return set()
    run = runs.get(book.run_id)
    return {book.run_id, run.decided_by} if run is not None and run.state != "unreadable" else {book.run_id}


def remove(workspace: Path, garbage: Garbage) -> Garbage:
    """Remove what was found, within the same ``removal`` in which it was looked for; return what has gone.

    Runs go first, so that none refers to what is gone, and each under its lock. Where one stays, all files stay.
    """
    left = {family: why for family in garbage.families if (why := _remove_family(workspace, family))}
    families = tuple(family for family in garbage.families if family not in left)
    size, files = 0, list[Path]()
    for path in () if left else garbage.files:
        try:
            length = path.lstat().st_size
            path.unlink()
        except OSError as error:
            left[str(path.relative_to(workspace)),] = f"it cannot be removed: {error.strerror}"
        else:
            files.append(path)
            size += length
    sweep([workspace / "runs"])
    stayed = tuple(Left(names[-1], why) for names, why in left.items())
    return Garbage(families, tuple(files), size, garbage.live, (*garbage.left, *stayed))


def _remove_family(workspace: Path, family: tuple[str, ...]) -> str:
    """Remove runs that go together; return why they could not be, empty when they are gone."""
    folders = [folder for name in family if (folder := workspace / "runs" / name).exists()]
    try:
        with ExitStack() as owning:
            for folder in folders:
                owning.enter_context(owned(folder))
            for folder in folders:
                _remove_folder(folder)
    except QuantflowError as error:
        return error.message
    except OSError as error:
        return f"it cannot be removed: {error.strerror}"
    return ""


def _remove_folder(folder: Path) -> None:
    """Remove a run's folder: out of sight in one step, so that a kill leaves no half of a run."""
    away = temporary_folder(folder.parent)
    folder.rename(away / folder.name)
    shutil.rmtree(away)


def _is_top(run: Run, runs: Mapping[str, Run]) -> bool:
    """Whether a run is not a sleeve, or its meta run is missing: its creation was cut short."""
    return run.header.parent is None or run.header.parent.run_id not in runs


def _beyond(keep: int, top: Collection[str], runs: Mapping[str, Run]) -> list[str]:
    """Return the runs that are not among the newest *keep*; a sleeve without its meta run is never among these."""
    own = [name for name in top if runs[name].header.parent is None]
    newest = set(own[max(0, len(own) - keep) :])
    return [name for name in top if name not in newest]


def _created(run: Run) -> datetime:
    return datetime.fromisoformat(run.header.created)


def _family(name: str, runs: Mapping[str, Run]) -> tuple[str, ...]:
    """Return a run after all that it is made of, pinned runs included, as far as they are there."""
    found: dict[str, None] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        if name in above or name not in runs:
            return
        for sleeve in _sleeves(runs[name], runs):
            visit(sleeve, above | {name})
        found.setdefault(name)

    visit(name, frozenset())
    return tuple(found)


def _sleeves(run: Run, runs: Mapping[str, Run]) -> list[str]:
    """Return the runs that a run is made of; where its links cannot be read, those that name it as their parent."""
    try:
        return [sleeve.link.run_id for sleeve in run.sleeves]
    except IntegrityError:
        named = {name: each.header.parent for name, each in runs.items() if not isinstance(each, Unreadable)}
        return [name for name, parent in named.items() if parent and parent.run_id == run.id]


def _odd(workspace: Path, family: tuple[str, ...], runs: Mapping[str, Run]) -> str:
    """Return why a family of runs cannot be removed as a whole; empty when it can."""
    for name in family:
        if (workspace / "runs" / name).is_symlink():
            return f"runs/{name} is a link"
        if runs[name].state == "unreadable":
            return f"the record of {name} cannot be read"
        try:
            _ = runs[name].sleeves
        except IntegrityError as error:
            return error.message
    return ""


def _bare(workspace: Path, limit: datetime) -> list[str]:
    """Return the folders of runs whose creation was cut short before there was a record."""
    return [folder.name for folder in _entries(workspace / "runs") if _is_bare(folder, limit)]


def _is_bare(folder: Path, limit: datetime) -> bool:
    if folder.name.startswith(".") or folder.is_symlink() or not folder.is_dir():
        return False
    try:
        names = [path.name for path in folder.iterdir()]
        young = datetime.fromtimestamp(folder.stat().st_mtime, UTC) > limit
    except OSError:  # what cannot be read may be anything
        return False
    return not young and all(name in _BARE or name.startswith(".tmp-") for name in names)


def _unused(workspace: Path, gone: Collection[str]) -> tuple[list[Path], list[Left]]:
    """Return the files of the local store that no remaining run refers to, and what keeps others from being known."""
    layout = Layout.of(workspace)
    cache, store = Path(layout.cache), Path(layout.store)
    linked = [path for path in (cache.parent, cache, store, *_entries(store)) if path.is_symlink()]
    if linked:
        return [], [Left(str(path.relative_to(workspace)), "it is a link; all files stay") for path in linked]
    try:
        referred = _referred(workspace, gone)
    except OSError as error:
        name = str(Path(str(error.filename)).relative_to(workspace))
        return [], [Left(name, f"{error.strerror}; it may refer to files, so all of them stay")]
    cached = [path for path in _files(cache) if path.suffix == ".json" and path.stem not in referred]
    stored = [path for shard in _entries(store) for path in _files(shard) if _ARTIFACT.fullmatch(path.name)]
    return cached + [path for path in stored if path.name.partition(".")[0] not in referred], []


def _referred(workspace: Path, gone: Collection[str]) -> set[str]:
    """Return all that could be a cache key or a hash in the remaining records of stages and trials, of any shape."""
    found = set[str]()
    for run in _entries(workspace / "runs"):
        records = [*_entries(run / "stages"), *_entries(run / TRIALS)] if run.name not in gone else []
        for path in records:
            if path.suffix == ".json":
                found |= {word.decode() for word in _QUOTED.findall(path.read_bytes())}
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _files(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_file() and not path.is_symlink()]
