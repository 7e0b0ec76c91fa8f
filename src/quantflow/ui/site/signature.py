"""What decides whether a run's files have changed: names, sizes and times of what lies in its folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from quantflow.pipeline.code_version import package_version

_PARTS = ("", "stages", "sleeves", "trials")
_MOVING = ("events.jsonl", "stages", "trials")
"""What of a run's folder is written while it is at work."""
_SAY_NOTHING = frozenset({"lock", "log.txt"})
"""Files that change while a run is only looked at, or say nothing that the page shows."""


def signature_of(folder: Path) -> str:
    """Return a mark that is another one when a file of a run's folder is another one, or quantflow is."""
    lines = [package_version()]
    for part in _PARTS:
        try:
            with os.scandir(folder / part) as entries:
                lines += sorted(_line(part, each) for each in entries if each.name not in _SAY_NOTHING)
        except OSError:
            continue  # most runs have no sleeves, and no trials
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:32]


def _line(part: str, entry: os.DirEntry[str]) -> str:
    if entry.is_dir(follow_symlinks=False):
        return f"{part}/{entry.name}/"
    found = entry.stat(follow_symlinks=False)
    return f"{part}/{entry.name} {found.st_size} {found.st_mtime_ns}"


def workspace_mark(workspace: Path) -> str:
    """Return a mark that changes when a run begins, goes on or ends, or a book is published."""
    lines = []
    for folder in (workspace / "runs", workspace / "current"):
        for each in sorted(folder.iterdir()) if folder.is_dir() else ():
            lines += [each.name, *(_time(path) for path in (each, *(each / part for part in _MOVING)))]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:32]


def _time(path: Path) -> str:
    try:
        return str(path.stat().st_mtime_ns)
    except OSError:
        return ""
