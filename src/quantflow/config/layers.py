"""The layers a profile is made of: files, what they extend, environment and flags, each value with its source."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quantflow.config.demo import built_in
from quantflow.config.problems import show
from quantflow.config.profile import SECTIONS
from quantflow.config.sections import NAME
from quantflow.config.workspaces import FILE
from quantflow.errors import ConfigError, unknown_name

ENV_PREFIX = "QUANTFLOW_"
_DEEPEST = 16


@dataclass
class Settings:
    """Values by section and key while they are put together, and where each came from.

    Attributes:
        values: Section to key to value.
        sources: ``"section.key"`` to the layer that set it.
    """

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def put(self, keys: Sequence[str], value: Any, source: str) -> None:
        """Set the value at *keys* (section, key, and further into a table)."""
        table = self.values
        for key in keys[:-1]:
            inner = table.get(key)
            table[key] = dict(inner) if isinstance(inner, dict) else {}  # a copy: layers are shared
            table = table[key]
        table[keys[-1]] = value
        self.sources[".".join(keys[:2])] = source


@dataclass(frozen=True)
class Override:
    """One value from a flag or the environment: its source, its path, and the value."""

    source: str
    keys: tuple[str, ...]
    value: Any


def read_document(workspace: Path) -> dict[str, Any]:
    """Return the workspace's ``quantflow.toml``, its shape checked; empty when there is none.

    Raises:
        ConfigError: If it cannot be read, is no UTF-8, no TOML, or holds something other than profiles and metas.
    """
    path = workspace / FILE
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise ConfigError(f"{FILE} is not UTF-8 (byte {error.start}).", hint="Save it as UTF-8.") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{FILE} cannot be read: {error}.", hint=f"Look at {path}.") from error
    return _shaped(_parsed(text))


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
        line, column = found.groups() if found and found[1] else (str(text.count("\n") + 1), None)
        where = f"line {line}" + (f", column {column}" if column else "")
        what = str(error)[: found.start()] if found else str(error)
        raise ConfigError(f"{FILE}, {where}: {what}.", hint="Mend the TOML there.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{FILE} is not usable as TOML: {error}.", hint="Simplify the file.") from error


def _shaped(document: dict[str, Any]) -> dict[str, Any]:
    for key, tables in document.items():
        if key not in ("profiles", "meta"):
            unknown = unknown_name("table", key, ("profiles", "meta"))
            raise ConfigError(f"{FILE}: no table may be called {key!r}.", hint=unknown.hint)
        check_table(tables, f"{FILE}: {key}")
        for name, table in tables.items():
            check_name(name, f"{FILE}: the name of a {'profile' if key == 'profiles' else 'meta profile'}")
            check_table(table, f"{FILE}: {key}.{name}")
    return document


def check_table(value: Any, where: str) -> None:
    """Refuse what is no table.

    Raises:
        ConfigError: Saying *where*.
    """
    if not isinstance(value, dict):
        raise ConfigError(f"{where} = {show(value)}: must be a table.", hint="Write it as [table] with keys below.")


def check_name(name: str, what: str) -> None:
    """Refuse a name that is not safe as a file name.

    Raises:
        ConfigError: Saying *what* is named so.
    """
    if not re.fullmatch(NAME, name) or name.endswith("\n"):
        raise ConfigError(
            f"{what} cannot be {show(name)}.",
            hint="A name has 1 to 64 letters, digits, - and _, and starts with a letter or digit.",
        )


def extends_chain(name: str, document: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the layers of a profile, the base first: (source, profile name, table).

    A profile of the file hides the built-in one of its name, and may extend it.

    Raises:
        ConfigError: If there is no such profile, or profiles extend each other in a circle.
    """
    own, ours = document.get("profiles", {}), built_in()["profiles"]
    chain: list[tuple[str, str, dict[str, Any]]] = []
    current, asked_by, is_own = name, "", True
    while True:
        is_own = is_own and current in own and current != asked_by
        if not is_own and current not in ours:
            raise _no_profile(current, asked_by, {*own, *ours})
        layer = (FILE if is_own else "", current, own[current] if is_own else ours[current])
        if layer in chain:
            circle = " > ".join([*(seen for _, seen, _ in chain), current])
            raise ConfigError(f"{FILE}: profiles extend each other: {circle}.", hint="Take one extends out.")
        chain.append(layer)
        if "extends" not in layer[2]:
            return chain[::-1]
        asked_by, current = current, layer[2]["extends"]
        if not isinstance(current, str):
            raise ConfigError(f"{FILE}: [profiles.{asked_by}] extends = {show(current)}: must be a profile's name.")


def _no_profile(name: str, asked_by: str, known: set[str]) -> ConfigError:
    unknown = unknown_name("profile", name, known)
    if not asked_by:
        return unknown
    if name == asked_by:
        return ConfigError(f"{FILE}: [profiles.{name}] extends itself.", hint="Take its extends out.")
    return ConfigError(f"{FILE}: [profiles.{asked_by}] extends = {show(name)}: no such profile.", hint=unknown.hint)


def stages_named(chain: Sequence[tuple[str, str, dict[str, Any]]]) -> list[Any]:
    """Return every ``stages`` setting of an extends chain, as it stands there."""
    tables = [table for _, _, table in chain]
    inner = [table["pipeline"] for table in tables if isinstance(table.get("pipeline"), dict)]
    return [table["stages"] for table in (*tables, *inner) if "stages" in table]


def stack(chain: Sequence[tuple[str, str, dict[str, Any]]], sections: Sequence[str] = SECTIONS) -> Settings:
    """Return the settings of an extends chain; a later layer's key replaces an earlier one's as a whole.

    Args:
        chain: The layers, the base first.
        sections: The sections that there are.

    Raises:
        ConfigError: If a layer has a section that does not exist, or that is no table.
    """
    settings = Settings()
    for file, name, table in chain:
        for section, keys in table.items():
            if section == "extends":
                continue
            where = f"{file} [profiles.{name}.{section}]" if file else f"profile {name} (built in)"
            if section == "stages":
                settings.put(("pipeline", "stages"), keys, where.replace(".stages]", "]"))
                continue
            if section not in sections:
                unknown = unknown_name("section", section, (*sections, "stages"))
                raise ConfigError(f"{FILE}: [profiles.{name}] {section}: no such section.", hint=unknown.hint)
            check_table(keys, f"{FILE}: [profiles.{name}] {section}")
            for key, value in keys.items():
                settings.put((section, key), value, where)
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
            yield Override(f"env {name}", keys, _value(environment[name], f"env {name}"))


def _from_flag(flag: str) -> Override:
    path, equals, text = flag.partition("=")
    keys = tuple(part.strip() for part in path.split("."))
    if not equals or not 2 <= len(keys) <= _DEEPEST or not all(keys) or len(path) > 200:
        raise ConfigError(f"--set {show(flag)}: must be section.key=value.", hint="For example: --set policy.top_n=5")
    return Override("--set", keys, _value(text, f"--set {path}"))


def _value(text: str, where: str) -> Any:
    """Return *text* as the TOML value it is, or as a string when it is none."""
    if not text.isprintable():
        raise ConfigError(f"{where}: the value holds a character that cannot be printed.", hint="Type it again.")
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text


def check_values(values: Mapping[str, Any], place: Callable[[tuple[str | int, ...]], str]) -> None:
    """Refuse nan and inf, which TOML allows and no setting means, and tables that are nested without end.

    Args:
        values: All settings.
        place: Given the path of a setting, where it was set and what it is called there.

    Raises:
        ConfigError: Naming the setting.
    """
    todo: list[tuple[tuple[str | int, ...], Any]] = [((), values)]
    while todo:
        path, value = todo.pop()
        if len(path) > _DEEPEST:
            raise ConfigError(f"{place(path[:2])} is nested too deeply.", hint="Simplify it.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{place(path)} = {value}: must be a finite number.", hint="Mend the value.")
        inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
        todo += [((*path, key), below) for key, below in inner]
