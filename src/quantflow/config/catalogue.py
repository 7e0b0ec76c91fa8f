"""Which profiles and meta profiles there are, where they come from, and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantflow.config.documents import built_in, read_document
from quantflow.config.load import load_meta, load_profile
from quantflow.config.profile import MetaProfile, Profile
from quantflow.config.source import DEFAULT, Source
from quantflow.config.workspaces import FILE
from quantflow.errors import unknown_name
from quantflow.types import Record


@dataclass(frozen=True)
class Entry:
    """One profile or meta profile.

    Attributes:
        name: Its name.
        kind: ``profile`` or ``meta``.
        source: ``quantflow.toml`` or ``built in``.
        extends: The profile that it extends; empty when none, and for a meta profile.
        sleeves: The names of a meta profile's sleeves.
        stages: The stages of other packages that the profile itself names.
    """

    name: str
    kind: str
    source: str
    extends: str = ""
    sleeves: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return {**vars(self), "sleeves": list(self.sleeves), "stages": list(self.stages)}


def entries(workspace: Path) -> list[Entry]:
    """Return the profiles, then the meta profiles: those of the workspace's file first, then the built-in ones.

    A profile of the file hides the built-in one of its name.

    Raises:
        ConfigError: If the file is not usable.
    """
    own, ours = read_document(workspace), built_in()
    found: list[Entry] = []
    for table, kind in (("profiles", "profile"), ("meta", "meta")):
        mine = own.get(table, {})
        found += [_entry(name, kind, FILE, mine[name]) for name in sorted(mine)]
        found += [_entry(name, kind, "built in", ours[table][name]) for name in sorted(set(ours[table]) - set(mine))]
    return found


def _entry(name: str, kind: str, source: str, table: Record) -> Entry:
    """Return what a table says of itself; what is wrong in it is for the validation to tell."""
    sleeves = table.get("sleeves", []) if kind == "meta" else []
    named = [str(s.get("profile", s.get("meta", "?"))) for s in sleeves if isinstance(s, dict)]
    stages = table.get("stages", []) if kind == "profile" else []
    extends = table.get("extends", "") if kind == "profile" else ""
    return Entry(name, kind, source, str(extends), tuple(named), tuple(map(str, stages if _is_list(stages) else [])))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def find(name: str, workspace: Path) -> Entry:
    """Return the profile, or else the meta profile, of that name.

    Raises:
        ConfigError: If there is none, naming the nearest.
    """
    known = {entry.name: entry for entry in reversed(entries(workspace))}
    if name not in known:
        raise unknown_name("profile or meta profile", name, known)
    return known[name]


def load(entry: Entry, workspace: Path, overrides: Sequence[str] = ()) -> Profile | MetaProfile:
    """Return the profile or meta profile of an entry, every value in place.

    Raises:
        ConfigError: If a value of it is wrong.
    """
    loader = load_meta if entry.kind == "meta" else load_profile
    return loader(entry.name, workspace=workspace, overrides=overrides)


def values(loaded: Profile | MetaProfile) -> list[tuple[str, Any, Source]]:
    """Return every setting as (key, value, where it came from), in order; a meta profile's tables are whole."""
    out: list[tuple[str, Any, Source]] = []
    for section, table in {
        **loaded.settings(),
        "schedule": loaded.schedule.model_dump(),
        "notify": loaded.notify.model_dump(),
    }.items():
        if isinstance(table, dict) and isinstance(loaded, Profile):
            keys = [(f"{section}.{key}", value) for key, value in table.items()]
        else:
            keys = [(section, table)]
        out += [(key, value, loaded.sources.get(key, DEFAULT)) for key, value in keys]
    return out
