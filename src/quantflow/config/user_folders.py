"""Where a user's own settings and caches are, by the XDG base directory specification."""

from __future__ import annotations

import os
from pathlib import Path


def config_folder() -> Path | None:
    """Return the folder of the user's settings for quantflow, which need not exist; None without a home folder."""
    return _folder("XDG_CONFIG_HOME", ".config")


def cache_folder() -> Path | None:
    """Return the folder of what quantflow may compute again, which need not exist; None without a home folder."""
    return _folder("XDG_CACHE_HOME", ".cache")


def _folder(variable: str, below_home: str) -> Path | None:
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():  # the specification says to ignore any other
        return named / "quantflow"
    try:
        return Path.home() / below_home / "quantflow"
    except RuntimeError:  # a container's user that no file knows
        return None
