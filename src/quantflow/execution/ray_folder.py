"""Where Ray keeps its sockets and logs on this machine."""

from __future__ import annotations

import os
from pathlib import Path

LONGEST = 25
"""A folder's path in which Ray's sockets still have the 107 bytes that the kernel allows a socket's path."""


def ray_folder() -> str:
    """Return the folder for Ray's own: Ray's choice, unless that is in the active virtual environment, or too long.

    In the active environment Ray's workers refuse to start, and its driver waits for them for ever.
    """
    chosen = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    active = os.environ.get("VIRTUAL_ENV")
    refused = active and Path(chosen).resolve().is_relative_to(Path(active).resolve())
    return "/tmp" if refused or len(os.fsencode(chosen)) > LONGEST else chosen
