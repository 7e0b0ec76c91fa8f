"""What a manifest became: profiles, and a line for each of its keys."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from quantflow_manifest.hold import Target
from quantflow_manifest.toml_text import toml_text


@dataclass(frozen=True)
class Line:
    """What became of one key of the manifest.

    Attributes:
        key: Its path.
        target: The setting that it became; empty when it was not mapped.
        value: The setting's value.
        note: What a person should know; why, when it was not mapped.
    """

    key: str
    target: str = ""
    value: Any = None
    note: str = ""

    def json(self) -> dict[str, Any]:
        """Return the line as JSON values."""
        return {"key": self.key, "target": self.target or None, "value": self.value, "note": self.note}


@dataclass
class Imported:
    """What a manifest became.

    Attributes:
        document: Profiles and meta profiles, in the shape of a ``quantflow.toml``.
        lines: What became of each key, in the manifest's order.
        refused: Settings whose value in the manifest could not be used, by profile.
        short: Meta profiles of which a sleeve, or a part of one, could not be used.
        held: Why a profile or meta profile must not publish, by table and name.
    """

    document: dict[str, dict[str, Any]] = field(default_factory=lambda: {"profiles": {}, "meta": {}})
    lines: list[Line] = field(default_factory=list)
    refused: dict[str, set[Target]] = field(default_factory=dict)
    short: set[str] = field(default_factory=set)
    held: dict[Target, str] = field(default_factory=dict)

    @property
    def toml(self) -> str:
        """The text of the ``quantflow.toml``."""
        return toml_text(self.document, self.held)

    @property
    def mapped(self) -> list[Line]:
        """What was mapped."""
        return [line for line in self.lines if line.target]

    @property
    def unmapped(self) -> list[Line]:
        """What was not."""
        return [line for line in self.lines if not line.target]

    def skip(self, key: str, why: str) -> None:
        """Note that a key was not mapped."""
        self.lines.append(Line(key, note=why))


def shown(text: object) -> str:
    """Return a text of the manifest as it may be printed: at most 80 characters that UTF-8 has."""
    return str(text).encode("utf-8", "backslashreplace").decode()[:80]


def plain(value: Any) -> Any:
    """Return a value of the manifest as it may be printed."""
    return shown(value) if isinstance(value, str) else shown(json.dumps(value)[:60])
