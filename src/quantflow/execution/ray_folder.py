"""Where Ray keeps its sockets and logs on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def ray_folder() -> str:
    """Return the folder in which Ray makes its own: the one that it would choose, but none in a virtual environment.

    In the active environment Ray's workers refuse to start, and its driver waits for them for ever.
    """
    chosen = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    active = os.environ.get("VIRTUAL_ENV")
    refused = active and Path(chosen).resolve().is_relative_to(Path(active).resolve())
    return "/tmp" if refused else chosen
