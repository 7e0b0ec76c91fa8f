"""Profiles as the text of a ``quantflow.toml``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(document: Mapping[str, Mapping[str, Any]], held: Mapping[tuple[str, str], str] | None = None) -> str:
    """Return a document of tables ``profiles`` and ``meta`` as TOML; values that are no section stand inline.

    Args:
        document: The tables.
        held: Why a profile or meta profile must not publish, by table and name: a comment beside that setting.
    """
    why = held or {}
    lines: list[str] = []
    for kind, tables in document.items():
        for name, table in tables.items():
            plain = {key: value for key, value in table.items() if key != "publish"}
            lines += _table(f"{_key(kind)}.{_key(name)}", plain, nested=kind == "profiles")
            lines += _publish(f"{_key(kind)}.{_key(name)}", table.get("publish", {}), why.get((kind, name), ""))
    return "\n".join(lines).strip() + "\n" if lines else ""


def _table(title: str, table: Mapping[str, Any], *, nested: bool) -> list[str]:
    inner = {key: value for key, value in table.items() if nested and isinstance(value, Mapping)}
    lines = ["", f"[{title}]", *(f"{_key(k)} = {toml_value(v)}" for k, v in table.items() if k not in inner)]
    for key, value in inner.items():
        lines += [f"[{title}.{_key(key)}]", *(f"{_key(k)} = {toml_value(v)}" for k, v in value.items())]
    return lines


def _publish(title: str, table: Mapping[str, Any], why: str) -> list[str]:
    comments = {"enabled": f"  # {why}" if why else ""}
    settings = [f"{_key(key)} = {toml_value(value)}{comments.get(key, '')}" for key, value in table.items()]
    return [f"[{title}.publish]", *settings] if settings else []


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
