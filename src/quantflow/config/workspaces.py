"""The workspace that a command finds by itself, and whether it may be used: it names code that is imported."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

from quantflow.config.user_files import config_folder, fault_at, fault_of
from quantflow.errors import ConfigError

FILE = "quantflow.toml"
OURS: tuple[str, ...] = (".quantflow", "runs", "current")
"""The folders that runs leave in a workspace; the record of a run names its stages, as the file does."""
TRUSTED = "trusted"
"""The list of folders in the user's own ``config.toml``."""


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
        raise ConfigError(f"{path} cannot be read: {error}.", hint="Fix or remove the file.") from error
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
