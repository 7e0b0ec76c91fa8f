"""The layers of a profile or meta profile: documents, what they extend, environment and flags."""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, TypeVar

from pydantic import ValidationError

from quantflow.config import problems
from quantflow.config.credentials import concealed, concealed_address
from quantflow.config.documents import Chain, check_table
from quantflow.config.problems import show
from quantflow.config.profile import SECTIONS, Profile
from quantflow.config.sections import Section
from quantflow.config.source import FLAG, Source, of_profile
from quantflow.config.workspaces import FILE
from quantflow.errors import ConfigError, unknown_name
from quantflow.types import Record

ENV_PREFIX = "QUANTFLOW_"
_DEEPEST = 16
M = TypeVar("M", bound=Section)


@dataclass
class Layered:
    """Values by section and key while they are put together, and where each came from.

    Attributes:
        values: Section to key to value.
        sources: ``"section.key"`` to the layer that set it.
    """

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)

    def put(self, keys: Sequence[str], value: Any, source: Source) -> None:
        """Set the value at *keys* (section, key, and further into a table)."""
        table = self.values
        for key in keys[:-1]:
            inner = table.get(key)
            table[key] = dict(inner) if isinstance(inner, dict) else {}  # a copy: layers are shared
            table = table[key]
        table[keys[-1]] = value
        self.sources[".".join(keys[:2])] = source

    def place(self, keys: Sequence[str]) -> str:
        """Return what the setting at *keys* (section and key) is called where it was set."""
        source = self.sources[".".join(keys)]
        return source.setting(".".join(keys)) if source.is_override else f"{source.heading} {keys[-1]}"


@dataclass(frozen=True)
class Override:
    """One value from a flag or the environment: its source, its path, and the value."""

    source: Source
    keys: tuple[str, ...]
    value: Any


def stack(chain: Chain, sections: Sequence[str] = SECTIONS) -> Layered:
    """Return the settings of an extends chain; a later layer's key replaces an earlier one's as a whole.

    Args:
        chain: The layers, the base first.
        sections: The sections that there are.

    Raises:
        ConfigError: If a layer has a section that does not exist, or that is not a table.
    """
    settings = Layered()
    for file, name, table in chain:
        for section, keys in table.items():
            if section == "extends":
                continue
            if section == "stages":
                settings.put(("pipeline", "stages"), keys, of_profile(name, "", in_file=bool(file)))
                continue
            if section == "notify" and isinstance(keys, list):
                settings.put(("notify", "to"), keys, of_profile(name, "", in_file=bool(file)))
                continue
            if section not in sections:
                unknown = unknown_name("section", section, (*sections, "stages"))
                raise ConfigError(f"{FILE}: [profiles.{name}] {section}: no such section.", hint=unknown.hint)
            check_table(keys, f"{FILE}: [profiles.{name}] {section}")
            for key, value in keys.items():
                settings.put((section, key), value, of_profile(name, section, in_file=bool(file)))
    return settings


def read_overrides(flags: Sequence[str]) -> list[Override]:
    """Return the overrides of the environment, then those of ``--set``: the last one wins.

    Raises:
        ConfigError: If one is not of the form section.key=value.
    """
    return [*_from_environment(os.environ), *(_from_flag(flag) for flag in flags)]


def _from_environment(environment: Mapping[str, str]) -> Iterator[Override]:
    for name in sorted(environment):
        if name.startswith(ENV_PREFIX) and "__" in name:
            keys = tuple(name.removeprefix(ENV_PREFIX).lower().split("__"))
            yield Override(Source("env", name), keys, read_value(environment[name], f"env {name}"))


def _from_flag(flag: str) -> Override:
    path, equals, text = flag.partition("=")
    keys = tuple(part.strip() for part in path.split("."))
    if not equals or not 2 <= len(keys) <= _DEEPEST or not all(keys) or len(path) > 200:
        raise ConfigError(f"--set {show(flag)}: must be section.key=value.", hint="For example: --set policy.top_n=5")
    return Override(FLAG, keys, read_value(text, f"--set {path}"))


def read_value(text: str, where: str) -> Any:
    """Return *text* as the TOML value it is, or as a string when it is none.

    Raises:
        ConfigError: If it holds a character that cannot be printed; *where* says where it stands.
    """
    if not text.isprintable():
        raise ConfigError(f"{where}: the value holds a character that cannot be printed.", hint="Type it again.")
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text


def validated(model: type[M], name: str, settings: Layered, heading: str, *, flag_per_key: bool = False) -> M:
    """Return the settings as *model*: strictly typed, as JSON, where a list is a tuple and a date is text.

    Args:
        model: The model of a profile or meta profile.
        name: Its name.
        settings: Its values; credentials in them are concealed.
        heading: What an error calls the profile as a whole.
        flag_per_key: Whether each key has a flag of its own, instead of ``--set``.

    Raises:
        ConfigError: Naming the setting, where it was set, and the rule.
    """

    def place(path: problems.Path) -> str:
        depth = 2 if issubclass(model, Profile) else 1
        if len(path) < depth:
            return _whole(path, heading, settings.sources)
        source = settings.sources.get(".".join(str(part) for part in path[:depth]))
        if flag_per_key and source is not None and source.is_override:
            return f"{source} {dotted(path[1:])}".rstrip()
        return _place(source, path, heading, depth)

    _check_values(settings.values, place)
    settings.values = concealed(_without_addresses(settings.values))
    data = {**settings.values, "name": name}
    try:
        return model.model_validate_json(json.dumps(data, default=_as_text), strict=True)
    except ValidationError as error:
        raise problems.explain(error, model, data, place) from error


def _without_addresses(values: Record) -> Record:
    """Return settings with the addresses of ``notify``, which are credentials as a whole, replaced by variables."""
    notify = values.get("notify")
    listed = notify.get("to") if isinstance(notify, dict) else notify
    if not isinstance(listed, list):
        return values
    hidden = [concealed_address(each) if isinstance(each, str) else each for each in listed]
    return {**values, "notify": {**(notify if isinstance(notify, dict) else {}), "to": hidden}}


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as people write it: ``policy.top_n``, ``sleeves[0].id``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _place(source: Source | None, path: problems.Path, heading: str, depth: int) -> str:
    """Return where a setting was set and what it is called there."""
    if source is not None and source.is_override:
        return source.setting(dotted(path if depth == 2 else ("meta", *path)))
    named_by_table = depth == 2 and source is not None and source.kind == "file"
    return f"{heading if source is None else source.heading} {dotted(path[1:] if named_by_table else path)}".rstrip()


def _whole(path: problems.Path, heading: str, sources: Mapping[str, Source]) -> str:
    """Return where a section as a whole was set, or the profile as a whole: a flag or variable is named if one did."""
    section = dotted(path)
    by = {str(source) for key, source in sources.items() if source.is_override and key.split(".")[0] == section}
    if by:
        return f"{' and '.join(sorted(by))}, {section}"
    return f"{heading[:-1]}.{section}]" if section and heading.endswith("]") else f"{heading} {section}".rstrip()


def _as_text(value: object) -> str:
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _check_values(values: Record, place: Callable[[problems.Path], str]) -> None:
    """Refuse nan and inf, which TOML allows and no setting means, and tables that are nested without end."""
    todo: list[tuple[problems.Path, Any]] = [((), values)]
    while todo:
        path, value = todo.pop()
        if len(path) > _DEEPEST:
            raise ConfigError(f"{place(path[:2])} is nested too deeply.", hint="Simplify it.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{place(path)} = {value}: must be a finite number.", hint="Correct the value.")
        inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
        todo += [((*path, key), below) for key, below in inner]
