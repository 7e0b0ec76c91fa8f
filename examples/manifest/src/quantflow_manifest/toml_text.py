"""Profiles as the text of a ``quantflow.toml``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(document: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a document of tables ``profiles`` and ``meta`` as TOML; values that are no section stand inline."""
    lines: list[str] = []
    for kind, tables in document.items():
        for name, table in tables.items():
            lines += _table(f"{_key(kind)}.{_key(name)}", table, nested=kind == "profiles")
    return "\n".join(lines).strip() + "\n" if lines else ""


def _table(title: str, table: Mapping[str, Any], *, nested: bool) -> list[str]:
    inner = {key: value for key, value in table.items() if nested and isinstance(value, Mapping)}
    lines = ["", f"[{title}]", *(f"{_key(k)} = {toml_value(v)}" for k, v in table.items() if k not in inner)]
    for key, value in inner.items():
        lines += [f"[{title}.{_key(key)}]", *(f"{_key(k)} = {toml_value(v)}" for k, v in value.items())]
    return lines


def toml_value(value: Any) -> str:
    """Return a value as it stands in a TOML file.

    Raises:
        TypeError: If TOML has no such value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(k))} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    raise TypeError(f"TOML has no value for a {type(value).__name__}")


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)
