"""Changes of single values in a TOML file that keep it as people wrote it: comments, order and formatting."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from quantflow.errors import ConfigError

Path = tuple[str, ...]
"""The keys from the top of a document to a value."""

REMOVED = object()
"""In place of a value: the key is taken out."""

_HEADER = re.compile(r"^\s*\[(?!\[)\s*(?P<keys>[^\]#]+?)\s*\]\s*(#.*)?$")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def edited(text: str, changes: Mapping[Path, Any], comment: str = "") -> str:
    """Return the text of a TOML document with some values set or taken out; all else stays to the byte.

    A value that is there is replaced in its place, with the comment beside it. A new key goes to the end of its table,
    a new table behind the others of its profile (the first two keys of its path), before the comments of what follows.

    Args:
        text: The document, in which every line ends alike.
        changes: Value by path: plain TOML values, tables and lists, or ``REMOVED``; a section may go with its last key.
        comment: A line above a profile that is new.

    Raises:
        ConfigError: If the document is written in a way in which that cannot be done.
    """
    document = tomllib.loads(text)
    wanted = _applied(document, changes)
    ends = "\r\n" if "\r\n" in text and "\n" not in text.replace("\r\n", "") else "\n"
    steps = list(_steps(document, changes))
    with suppress(ValueError, LookupError, TypeError, AttributeError):  # what its parser makes of odd documents
        known, new = ([step for step in steps if step[2] is there] for there in (True, False))
        result = _replaced(text, [(path, value) for path, value, _ in known])
        for path, value, _ in new:
            result = _added(result, path, value, ends, comment)
        if _pruned(tomllib.loads(result)) == _pruned(wanted):
            return result
    raise ConfigError(
        "The file is written in a way that cannot be changed by itself.",
        hint="Change by hand: " + "; ".join(f"{'.'.join(path)} = {_said(value)}" for path, value in changes.items()),
    )


def plain(value: Any) -> Any:
    """Return a JSON value as people write it in TOML: a date as a date."""
    if isinstance(value, str) and len(value) == 10:
        with suppress(ValueError):
            return date.fromisoformat(value)
    return value


def _said(value: Any) -> str:
    return "(taken out)" if value is REMOVED else _text(value)


def _applied(document: Mapping[str, Any], changes: Mapping[Path, Any]) -> dict[str, Any]:
    result = copy.deepcopy(dict(document))
    for path, value in changes.items():
        if value is REMOVED and _at(result, path) is None:
            continue
        table = result
        for key in path[:-1]:
            table = table.setdefault(key, {})
        if value is REMOVED:
            del table[path[-1]]
        else:
            table[path[-1]] = value
    return result


def _steps(document: Mapping[str, Any], changes: Mapping[Path, Any]) -> Iterator[tuple[Path, Any, bool]]:
    """Yield the values to write, and whether something is in their place; of a table that stays a table its entries."""
    for path, value in changes.items():
        before = _at(document, path)
        if isinstance(before, dict) and isinstance(value, dict):
            inner = {**dict.fromkeys(before.keys() - value.keys(), REMOVED), **value}
            changed = {(*path, key): entry for key, entry in inner.items() if before.get(key) != entry}
            yield from _steps(document, changed)
        elif value is not REMOVED or before is not None:
            yield path, value, before is not None


def _at(document: Mapping[str, Any], path: Path) -> Any:
    found: Any = document
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _pruned(document: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Return a document without the empty tables in profiles: an empty section says what none says."""
    kept = {key: _pruned(value, depth + 1) if isinstance(value, dict) else value for key, value in document.items()}
    return {key: value for key, value in kept.items() if value != {} or depth < 2}


def _replaced(text: str, changes: Sequence[tuple[Path, Any]]) -> str:
    import tomlkit

    gone = [path for path, value in changes if value is REMOVED]
    for path in gone:
        text = _cut(text, path)
    document = tomlkit.parse(text)
    for path, value in changes:
        if path in gone and _at(document, path) is None:
            continue
        table: Any = document
        for key in path[:-1]:
            table = table[key]
        if value is REMOVED:
            table.remove(path[-1])
        else:
            table[path[-1]] = _item(value)
    return tomlkit.dumps(document)


def _cut(text: str, path: Path) -> str:
    """Return the text without a table that has a header, and those in it; the comments of what follows stay."""
    lines = text.splitlines(keepends=True)
    heads = _headers(lines)
    for number in sorted(heads, reverse=True):
        if heads[number][: len(path)] == path:
            del lines[number : _end(lines, heads, number)]
    return "".join(lines)


def _item(value: Any) -> Any:
    import tomlkit

    if not isinstance(value, dict):
        return tomlkit.item(value)
    table = tomlkit.inline_table()
    for key, entry in value.items():
        table[key] = _item(entry)
    return table


def _text(value: Any) -> str:
    return str(_item(value).as_string())


def _added(text: str, path: Path, value: Any, ends: str, comment: str) -> str:
    """Return the text with a new key: below its table's header; in a table without one as that is written."""
    *table, key = path
    lines = text.splitlines(keepends=True)
    heads = _headers(lines)
    entry = f"{_key(key)} = {_text(value)}{ends}"
    own = next((number for number, keys in heads.items() if keys == tuple(table)), None)
    if own is not None:
        return _inserted(lines, _end(lines, heads, own), entry, ends)
    if len(table) > 2 and _at(tomllib.loads(text), tuple(table)) is not None and not _below(heads, table):
        return _replaced(text, [(path, value)])
    kin = [number for number, keys in heads.items() if keys[:2] == tuple(table[:2])]
    block = f"[{'.'.join(map(_key, table))}]{ends}{entry}"
    if not kin:
        above = f"# {comment}{ends}" if comment else ""
        return _inserted(lines, len(lines), f"{ends if text.strip() else ''}{above}{block}", ends)
    return _inserted(lines, _end(lines, heads, max(kin)), f"{ends}{block}", ends)


def _below(heads: Mapping[int, Path], table: Sequence[str]) -> bool:
    """Whether a table is only there because tables in it have headers."""
    return any(keys[: len(table)] == tuple(table) for keys in heads.values())


def _inserted(lines: Sequence[str], place: int, entry: str, ends: str) -> str:
    before = "".join(lines[:place])
    return (before + ends if before and not before.endswith("\n") else before) + entry + "".join(lines[place:])


def _end(lines: Sequence[str], heads: Mapping[int, Path], own: int) -> int:
    """Return the line before which a table ends: without the comments right above the next header, and empty lines."""
    end = min((number for number in heads if number > own), default=len(lines))
    place = end
    while end < len(lines) and place > own + 1 and lines[place - 1].lstrip().startswith("#"):
        place -= 1
    if place > own + 1 and lines[place - 1].strip():
        place = end  # they are not set apart from the table: its own
    while place > own + 1 and not lines[place - 1].strip():
        place -= 1
    return place


def _headers(lines: Sequence[str]) -> dict[int, Path]:
    """Return the keys of the tables' headers by line; a line of a text or list that looks like one is none."""
    found: dict[int, Path] = {}
    start = 0
    for number, line in enumerate(lines):
        if keys := _header(line):
            with suppress(tomllib.TOMLDecodeError):  # what is above does not end here
                tomllib.loads("".join(lines[start:number]))
                found[number], start = keys, number
    return found


def _header(line: str) -> Path:
    """Return the keys of a table's header; none of any other line."""
    found = _HEADER.match(line)
    if found is None:
        return ()
    with suppress(tomllib.TOMLDecodeError):
        table, keys = tomllib.loads(f"[{found['keys']}]"), list[str]()
        while table:
            ((key, table),) = table.items()
            keys.append(key)
        return tuple(keys)
    return ()


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)
