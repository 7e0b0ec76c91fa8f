"""Checks of the workspace: its file system, its settings, its data."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from quantflow.config.catalogue import entries
from quantflow.config.credentials import VARIABLE
from quantflow.config.data import FilesOptions
from quantflow.config.profile import Profile
from quantflow.config.workspaces import FILE, OURS
from quantflow.doctor.base import Finding, Place, Result
from quantflow.errors import ConfigError, QuantflowError, said
from quantflow.locks import FileLock

LEAST_FREE, LITTLE_FREE = 100 * 2**20, 2 * 2**30
"""Free bytes below which a run most likely fails; below which it is worth knowing."""


def folder(place: Place) -> Iterator[Finding]:
    """Can the workspace be written, and can only its owner read what runs leave in it?"""
    quoted = shlex.quote(str(place.workspace))
    try:
        with tempfile.TemporaryDirectory(prefix=".quantflow-doctor-", dir=place.workspace):
            pass
    except OSError as error:
        detail = f"{place.workspace} cannot be written: {error.strerror}"
        yield Finding("folder", Result.BLOCKS, detail, f"sudo chown -R $USER {quoted}, or use --workspace")
        return
    there = [path for name in OURS if (path := place.workspace / name).is_dir()]
    others = [path for path in there if path.stat().st_uid != os.geteuid()]
    if others:
        detail = f"{', '.join(path.name for path in others)}: another user's"
        yield Finding("folder", Result.BLOCKS, detail, f"sudo chown -R $USER {quoted}")
    elif open_ := [path.name for path in there if stat.S_IMODE(path.stat().st_mode) & 0o077]:
        fix = f"chmod go-rwx {' '.join(shlex.quote(str(place.workspace / name)) for name in open_)}"
        yield Finding("folder", Result.WARN, f"{', '.join(open_)}: readable by other users", fix)
    else:
        yield Finding("folder", Result.OK, str(place.workspace))


def file_system(place: Place) -> Iterator[Finding]:
    """Does the file system have what locks and whole files rest on: flock, rename over a file, symbolic links?"""
    fix = "move the workspace to a local disk, or mount with locks (nfs: local_lock=none, v4)"
    try:
        with tempfile.TemporaryDirectory(prefix=".quantflow-doctor-", dir=place.workspace) as name:
            problems = [what for what, works in (("flock", _locks), ("rename", _renames)) if not works(Path(name))]
            (Path(name) / "link").symlink_to("nowhere")
    except OSError as error:
        yield Finding("file system", Result.BLOCKS, f"it refused a lock, rename or link: {said(error)}", fix)
        return
    if problems:
        yield Finding("file system", Result.BLOCKS, f"{' and '.join(problems)} do not work here", fix)
    else:
        yield Finding("file system", Result.OK, "locks, atomic renames and links work")


def _locks(there: Path) -> bool:
    """Whether a second holder of an exclusive lock is refused."""
    with FileLock(there / "lock") as first, FileLock(there / "lock") as second:
        return first.take() and not second.take()


def _renames(there: Path) -> bool:
    """Whether a file can take another's place while that is open."""
    (there / "old").write_text("old")
    (there / "new").write_text("new")
    with (there / "old").open() as held:
        (there / "new").rename(there / "old")
        return held.read() == "old" and (there / "old").read_text() == "new"


def disk(place: Place) -> Iterator[Finding]:
    """Is there room for a run?"""
    free = shutil.disk_usage(place.workspace).free
    result = Result.BLOCKS if free < LEAST_FREE else Result.WARN if free < LITTLE_FREE else Result.OK
    fix = "" if result is Result.OK else "quantflow gc --keep 30"
    yield Finding("disk", result, f"{free / 2**30:.1f} GiB free", fix)


def profiles(place: Place) -> Iterator[Finding]:
    """Can every profile and meta profile of quantflow.toml be used?"""
    from quantflow.doctor.profiles import examined

    try:
        own = [entry for entry in entries(place.workspace) if entry.source != "built in"]
    except ConfigError as error:
        yield Finding("profiles", Result.BLOCKS, error.message, f"edit {place.workspace / FILE}: {error.hint}")
        return
    if not own:
        yield Finding("profiles", Result.OK, f"no {FILE}: the built-in demo profiles", "quantflow init")
        return
    found = [examined(entry, place.workspace) for entry in own]
    wrong = [problem for problem, _ in found if problem is not None]
    for problem in wrong:
        yield Finding("profiles", Result.BLOCKS, problem.message, f"edit {FILE}: {problem.hint or 'see the detail'}")
    strange = dict.fromkeys(line for _, lines in found for line in lines)
    for line in strange:
        yield Finding("profiles", Result.WARN, line, f"edit {FILE} or the file; or set universe.unknown")
    if not wrong and not strange:
        yield Finding("profiles", Result.OK, ", ".join(entry.name for entry in own))


def data(place: Place) -> Iterator[Finding]:
    """Is what each profile reads there, and new enough: files, packages, credentials?"""
    found = [finding for profile in place.leaves for finding in _data_of(profile, place)]
    found += [finding for profile in place.leaves for finding in _age_of(profile)] if not found else []
    yield from dict.fromkeys(found)  # profiles that extend each other share their data
    if not found:
        kinds = sorted({profile.data.provider for profile in place.leaves})
        yield Finding("data", Result.OK, f"there: {', '.join(kinds)}" if kinds else "no profile to look at")


def _age_of(profile: Profile) -> Iterator[Finding]:
    from quantflow.runs.as_of import resolve_as_of

    if not isinstance(profile.data.options, FilesOptions):  # nothing else is asked without need
        return
    try:
        stale = resolve_as_of(profile, None).stale
    except QuantflowError as error:
        yield Finding("data", Result.BLOCKS, error.message, error.hint or "see the detail")
        return
    if stale:
        fix = "see why no newer ones come, or set data.max_age"
        yield Finding("data", Result.WARN, f"{profile.data.options.path}: {stale}", fix)


def _data_of(profile: Profile, place: Place) -> Iterator[Finding]:
    settings = profile.data
    if settings.provider == "ccxt" and place.version_of("ccxt") is None:
        yield _missing("the provider ccxt needs the package ccxt", f"{place.pip} ccxt")
    options = settings.options
    own = (options.path, options.instruments) if isinstance(options, FilesOptions) else ()
    tables = [table.path for table in profile.tables.by_name.values()]
    for path in (*own, profile.universe.members, profile.validation.costs, *tables):
        if path and "://" in path:
            yield from _url(path, place)
        elif path:
            yield from _files(path)
    if store := profile.execution.store:
        yield from _url(store, place)


def _files(path: str) -> Iterator[Finding]:
    from quantflow.data.providers.files.locations import list_files, opened

    try:
        with opened(list_files(path)[0]) as file:
            file.read(1)
    except QuantflowError as error:
        yield _missing(
            said(error), f"ls -l {shlex.quote(str(Path(path).parent))}, or correct data.path in quantflow.toml"
        )


def _url(url: str, place: Place) -> Iterator[Finding]:
    scheme = url.partition("://")[0]
    if scheme in ("s3", "s3a") and place.version_of("s3fs") is None:
        yield _missing("addresses with s3:// need the package s3fs", f"{place.pip} s3fs")
    for name in VARIABLE.findall(url):
        if name not in place.environ and not name.startswith("QUANTFLOW_SECRET_"):
            yield _missing(f"{scheme}://… needs the variable {name}, which is not set", f"export {name}=…")


def _missing(detail: str, fix: str) -> Finding:
    return Finding("data", Result.BLOCKS, detail, fix)


def calendar(place: Place) -> Iterator[Finding]:
    """Does each exchange calendar know the coming sessions?"""
    from quantflow.data import calendars

    today = place.now.date()
    for name in sorted({profile.calendar.name for profile in place.profiles} or {"XNYS"}):
        try:
            last = calendars.last_completed(name, place.now)
            coming = calendars.sessions(name, last + timedelta(days=1), today + timedelta(days=21))
        except ConfigError as error:
            yield Finding("calendar", Result.BLOCKS, error.message, f"{place.pip} --upgrade exchange-calendars")
            continue
        limit = calendars.ends(name)
        if limit is not None and limit - today < calendars.ENDS_SOON:
            detail = f"{name} ends on {limit}: later sessions and their holidays are not known"
            yield Finding("calendar", Result.WARN, detail, f"{place.pip} --upgrade exchange-calendars")
        elif len(coming):
            yield Finding("calendar", Result.OK, f"{name}: last completed session {last}, next {coming[0]}")
        else:
            detail = f"{name} knows no session after {last}"
            yield Finding("calendar", Result.BLOCKS, detail, f"{place.pip} --upgrade exchange-calendars")
