"""Where the value of a setting came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from quantflow.config.workspaces import FILE

SourceKind = Literal["default", "built_in", "file", "env", "flag", "run", "sleeves"]


@dataclass(frozen=True)
class Source:
    """Where a value came from.

    Attributes:
        kind: What set it: the option's default, a built-in profile, ``quantflow.toml``, an environment variable,
            ``--set``, the record of a run, or the sleeves of a meta profile.
        text: Which one, e.g. the table of the file or the name of the variable; ``str()`` is the whole in words.
    """

    kind: SourceKind
    text: str

    def __str__(self) -> str:
        prefix = {"file": f"{FILE} ", "env": "env "}.get(self.kind, "")
        return f"{prefix}{self.text}"

    @property
    def is_override(self) -> bool:
        """Whether it was set for this process alone: by the environment or a flag."""
        return self.kind in ("env", "flag")

    def setting(self, key: str) -> str:
        """Return what the setting *key* is called where an override sets it: a variable names it already."""
        return str(self) if self.kind == "env" else f"{self} {key}"

    @property
    def heading(self) -> str:
        """The place that an error names; in a file its table."""
        return f"{FILE}: {self.text}" if self.kind == "file" else str(self)


DEFAULT = Source("default", "default")
OVER = Source("flag", "--over")
"""A value of a sweep's trial."""

FLAG = Source("flag", "--set")
OF_RUN = Source("run", "the run's own settings")
SLEEVES = Source("sleeves", "its sleeves")


def of_profile(name: str, section: str, *, in_file: bool) -> Source:
    """Return the source of values that a profile sets: its table in the file, or the built-in profile."""
    table = f"[profiles.{name}.{section}]" if section else f"[profiles.{name}]"
    return Source("file", table) if in_file else Source("built_in", f"profile {name} (built in)")


def of_meta(name: str, *, in_file: bool) -> Source:
    """Return the source of values that a meta profile sets."""
    return Source("file", f"[meta.{name}]") if in_file else Source("built_in", f"meta profile {name} (built in)")


def as_json(sources: Mapping[str, Source]) -> dict[str, dict[str, str]]:
    """Return sources as the record of a run keeps them: kind and text by setting."""
    return {key: {"kind": source.kind, "text": source.text} for key, source in sources.items()}


HOW = ("execution", "schedule", "notify")
"""Sections on how and when a profile is run, and who hears of it: they do not change its weights."""


def changes_weights(sources: Mapping[str, Source]) -> bool:
    """Whether a setting that can change weights was set for this process alone; *sources* by ``"section.key"``."""
    return any(source.is_override for name, source in sources.items() if not name.startswith(HOW))
