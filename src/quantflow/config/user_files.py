"""The user's own files: whose a file is and who else may change it; where settings and caches are (XDG)."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

_MOST_LINKS = 40


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
