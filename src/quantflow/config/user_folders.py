"""Where a user's own settings and caches are, by the XDG base directory specification."""

from __future__ import annotations

import os
from pathlib import Path


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
