"""The user's own files and folders: the workspace that a command finds, and whether what a file says is the user's."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path

from quantflow.errors import ConfigError, said

FILE = "quantflow.toml"
OURS: tuple[str, ...] = (".quantflow", "runs", "current")
"""The folders that runs leave in a workspace; the record of a run names its stages, as the file does."""
TRUSTED = "trusted"
"""The list of folders in the user's own ``config.toml``."""
_MOST_LINKS = 40


def find_nearest(start: Path) -> Path:
    """Return the nearest folder from *start* upwards with a ``quantflow.toml``; *start* when none has.

    Raises:
        ConfigError: If the file, or what runs have left, is another user's or open to others, and the folder is not
            listed.
        OSError: If a folder on the way cannot be looked at.
    """
    here = start.resolve()
    found = next((folder for folder in (here, *here.parents) if (folder / FILE).is_file()), here)
    if fault := distrusted(found):
        raise ConfigError(f"The workspace {found} is not used: {fault}.", hint=_how_to_trust(found))
    return found


def distrusted(workspace: Path) -> str | None:
    """Return why a folder must not be used as a workspace unasked; None when it may.

    Looked at are its ``quantflow.toml``, the folders of ``OURS``, those in ``.quantflow``, and what they are links to.

    Raises:
        ConfigError: If the user's own ``config.toml`` cannot be read.
        OSError: If a file cannot be looked at.
    """
    file = workspace / FILE
    faults = [fault_of(file)] if file.is_file() else []
    faults += [fault_at(place) for path in _ours(workspace) for place in {path, path.resolve()}]
    fault = next(filter(None, faults), None)
    return None if fault is None or workspace.resolve() in _trusted() else fault


def _ours(workspace: Path) -> list[Path]:
    folders = [path for name in OURS if (path := workspace / name).exists()]
    inner = workspace / OURS[0]
    return folders + (list(inner.iterdir()) if inner.is_dir() and os.access(inner, os.R_OK) else [])


def refuse_foreign(file: Path, reader: str) -> None:
    """Refuse a file whose words may be another user's, unless its folder is listed.

    Args:
        file: The file, which is there.
        reader: Who would believe it.

    Raises:
        ConfigError: If it, or its folder, is another user's or open to others.
    """
    folder = file.absolute().parent
    if (fault := fault_of(file.absolute())) and folder.resolve() not in _trusted():
        raise ConfigError(
            f"{reader} would follow {file.absolute()}, and {fault}.",
            hint=f"Go to another folder, or list it: {TRUSTED} = [{json.dumps(str(folder))}] in {_list()}.",
        )


def _trusted() -> set[Path]:
    """Return the folders that the user lists; none if somebody else may change the list."""
    path = _list()
    if path is None or not path.is_file() or fault_of(path):
        return set()
    try:
        listed = tomllib.loads(path.read_text(encoding="utf-8")).get(TRUSTED, [])
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {said(error)}.", hint="Fix or remove the file.") from error
    entries = listed if isinstance(listed, list) else [listed]
    if not all(isinstance(entry, str) and entry.startswith(("/", "~")) for entry in entries):
        raise ConfigError(f"{path}: {TRUSTED} must be a list of absolute paths.", hint='E.g. trusted = ["/srv/folio"].')
    return {Path(entry).expanduser().resolve() for entry in entries}


def _list() -> Path | None:
    folder = config_folder()
    return None if folder is None else folder / "config.toml"


def _how_to_trust(workspace: Path) -> str:
    hint = f"Its settings and runs name code that would run as you. To trust it, add --workspace {workspace}"
    path = _list()
    if path is None:
        return f"{hint}."
    fault = fault_of(path) if path.is_file() else None
    but = f" (not believed now: {fault})" if fault else ""
    return f"{hint}, or write {TRUSTED} = [{json.dumps(str(workspace), ensure_ascii=False)}] in {path}{but}."


def fault_of(file: Path) -> str | None:
    """Return why what *file* holds may not be this user's own words; None when it is.

    The file, its folder and, where it is a symbolic link, each link on the way with its folder must belong to this
    user, and nobody else may write them. Root's files are not this user's. For root those of the user who called sudo
    count as well, since that user could do as root what the file says. A group may write if nobody but the user is
    in it, as where each user has a group of the same name.

    Raises:
        OSError: If it cannot be looked at.
    """
    return next((fault for path in _on_the_way(file) if (fault := fault_at(path))), None)


def fault_at(path: Path) -> str | None:
    """Return why *path*, a file, folder or link by itself, is not this user's own; see ``fault_of``.

    Raises:
        OSError: If it cannot be looked at.
    """
    found = path.lstat()
    if found.st_uid not in _own_uids():
        return f"{path} belongs to {_user(found.st_uid)}"
    if stat.S_ISLNK(found.st_mode):
        return None
    if found.st_mode & stat.S_IWOTH:
        return f"any user may change {path}"
    if found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid, found.st_uid):
        return f"the group {_group(found.st_gid)} may change {path}"
    return None


def _own_uids() -> set[int]:
    user = os.geteuid()
    caller = os.environ.get("SUDO_UID", "")
    return {user, int(caller)} if user == 0 and caller.isascii() and caller.isdigit() else {user}


def _on_the_way(path: Path) -> Iterator[Path]:
    for _ in range(_MOST_LINKS):
        yield path.parent.resolve()
        yield path
        if not path.is_symlink():
            return
        path = path.parent / path.readlink()


def _is_private(gid: int, uid: int) -> bool:
    """Whether *gid* is the group of the user's own name, without other members."""
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"gid {gid}"


def config_folder() -> Path | None:
    """Return the folder of the user's settings for quantflow, which need not exist; None without a home folder."""
    return _folder("XDG_CONFIG_HOME", ".config")


def cache_folder() -> Path | None:
    """Return the folder of what quantflow can compute again, made if missing, open to the user alone.

    Returns:
        None where it cannot be had: there is no home folder, it cannot be made, or it is in another user's home folder
        (as root with ``HOME`` kept by sudo, whose files there the user could not replace) or open for others to write.
    """
    folder = _folder("XDG_CACHE_HOME", ".cache")
    if folder is None:
        return None
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if there.stat().st_uid != os.geteuid():
            return None
        for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        return None if folder.stat().st_mode & 0o022 else folder
    except OSError:
        return None


def _folder(variable: str, below_home: str) -> Path | None:
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():  # the specification says to ignore any other
        return named / "quantflow"
    try:
        return Path.home() / below_home / "quantflow"
    except RuntimeError:  # a container's user that no file knows
        return None
