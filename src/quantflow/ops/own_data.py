"""A workspace over someone's own files: what was found in them, as the first lines of its settings."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from quantflow.config.data import FilesOptions
from quantflow.config.layers import Override
from quantflow.data import calendars
from quantflow.data.providers.files.locations import is_url
from quantflow.data.providers.files.look import Look, look
from quantflow.errors import ConfigError

EXCHANGES = ("XNYS", "XLON", "XETR", "XPAR", "XTKS", "XHKG", "XTSE", "XASX")
"""The calendars that are tried, the first one among equals."""

MOST_OFF = 0.02
"""Largest fraction of sessions without a bar, or of days with one that are no session, of a calendar that fits."""


def look_at(paths: Sequence[str], sets: Sequence[Override]) -> Look:
    """Return what files hold.

    Args:
        paths: One file, folder, glob or fsspec URL; or all files of one folder that have one ending.
        sets: What the user said of the files: values of the data section.

    Raises:
        ConfigError: If they are not all files of a folder with one ending, or a setting is unknown.
        DataError: If they cannot be read, or in more than one way.
    """
    if strange := next((each for each in sets if len(each.keys) < 2 or each.keys[0] != "data"), None):
        raise ConfigError(
            f"--set {'.'.join(strange.keys)} says nothing of the files.", hint="For example: data.decimal=,"
        )
    said: dict[str, Any] = {}
    for each in sets:
        place = said
        for key in each.keys[1:-1]:
            place = place.setdefault(key, {})
        place[each.keys[-1]] = each.value
    return look(FilesOptions(**{**said, "path": _path(paths)}))


def settings(found: Look, folder: Path) -> str:
    """Return a commented ``quantflow.toml`` that reads the files, its first section saying what was found in them."""
    text = (files("quantflow.config") / "starter.toml").read_text(encoding="utf-8")
    head, _, rest = text.partition("[profiles.core.data]")
    _, _, rest = rest.partition("[profiles.core.calendar]")
    name, fits = calendar_of(found)
    sessions = len(found.days)
    values = {
        "name": json.dumps(name),
        "min_winners": str(max(1, min(5, len(found.symbols) // 2))),
        "min_history": str(min(756, max(60, sessions // 2))),
    }
    body = f"[profiles.core.data]\n{_data(found, folder)}\n[profiles.core.calendar]{rest}"
    for key, value in values.items():
        body = re.sub(rf"^#?{key} = \S+", f"{key} = {value}", body, count=1, flags=re.MULTILINE)
    if not fits:
        body = body.replace(f'name = "{name}"', f'name = "{name}"  # no calendar fits these days: choose.', 1)
    return head + body


def calendar_of(found: Look) -> tuple[str, bool]:
    """Return the calendar whose sessions are nearest to the files' days, and whether it fits them."""
    weekends = float(np.isin((found.days.astype(int) + 3) % 7, (5, 6)).mean())  # 1970-01-01 was a Thursday
    if weekends > 0.1:
        return "24/7", True
    first, last = found.days[0].item(), found.days[-1].item()
    off = {}
    for name in EXCHANGES:
        there = calendars.sessions(name, first, last)
        off[name] = len(np.setxor1d(there, found.days)) / max(len(there), 1)
    best = min(EXCHANGES, key=lambda name: off[name])
    return best, off[best] <= MOST_OFF


def _path(named: Sequence[str]) -> str:
    if any(is_url(path) for path in named) and len(named) > 1:
        raise ConfigError("Several addresses are named.", hint="Name one file, folder or glob.")
    if is_url(named[0]):
        return named[0]
    paths = [Path(path).expanduser().absolute() for path in named]
    if len(paths) == 1:
        return str(paths[0])
    folders, endings = {path.parent for path in paths}, {"".join(path.suffixes[-1:]) for path in paths}
    if len(folders) > 1 or len(endings) > 1:
        raise ConfigError("The files lie in several folders, or end differently.", hint="Name one folder, or a glob.")
    glob = folders.pop() / f"*{endings.pop()}"
    if sorted(glob.parent.glob(glob.name)) != sorted(paths):
        raise ConfigError(f"{glob} are more files than were named.", hint=f"Name that glob, in quotes: '{glob}'.")
    return str(glob)


def _data(found: Look, folder: Path) -> str:
    """Return the data section: settings, and what was found as comments."""
    path = str(found.options.path)
    inside = not is_url(path) and Path(path).is_relative_to(folder)
    said = found.options.model_dump(exclude_none=True, exclude={"path", "instruments"})
    lines = ['provider = "files"', f"path = {json.dumps(os.path.relpath(path, folder) if inside else path)}"]
    lines += [f"{name} = {_toml(value)}" for name, value in said.items() if value]
    first, last = found.days[0], found.days[-1]
    shown = ", ".join(found.symbols[:5]) + (", …" if found.symbols[5:] else "")
    many = f"{found.files} file{'s' * (found.files != 1)}, {found.columns.layout}"
    notes = [
        f"{many}; {len(found.symbols)} symbol{'s' * (len(found.symbols) != 1)} ({shown}), {first} to {last}.",
        *(f"{meaning}: {column}" for meaning, column in _meanings(found)),
        "The first rows, as read:",
        *found.head.to_string(index=False, float_format="{:.10g}".format).splitlines(),
    ]
    lines += [f"# {note}".rstrip() for note in notes]
    lines.append(f"min_sessions = {min(504, max(2, len(found.days) * 2 // 3))}  # or a symbol is set aside")
    return "\n".join(lines) + "\n"


def _meanings(found: Look) -> list[tuple[str, str]]:
    columns = found.columns
    each = [("date", columns.date), ("symbol", columns.symbol or "the file's name, or its folder's")]
    if columns.layout == "wide":
        return [each[0], ("symbols", f"columns, such as {next(iter(columns.wide.values())).columns['close']}")]
    return [*each, *columns.fields.columns.items()]


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {json.dumps(each)}" for name, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
