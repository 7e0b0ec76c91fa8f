"""The documents that profiles stand in: the workspace's ``quantflow.toml``, and the built-in profiles."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from quantflow.config.problems import show
from quantflow.config.sections import NAME
from quantflow.config.workspaces import FILE
from quantflow.errors import ConfigError, unknown_name
from quantflow.types import Settings

Chain = Sequence[tuple[str, str, dict[str, Any]]]
"""The layers of a profile, the base first: file (empty for a built-in one), profile name, table."""

TABLES: Mapping[str, str] = {"profiles": "profile", "meta": "meta profile", "sweep": "sweep"}
"""The tables of a document, and what one entry of each is called."""


@lru_cache(maxsize=1)
def built_in() -> dict[str, Any]:
    """Return the built-in profiles and meta profiles, in the shape of a ``quantflow.toml``."""
    return tomllib.loads((files("quantflow.config") / "demo.toml").read_text(encoding="utf-8"))


def read_document(workspace: Path) -> dict[str, Any]:
    """Return the workspace's ``quantflow.toml``, its shape checked; empty when there is none.

    Raises:
        ConfigError: If it cannot be read, is not UTF-8, no TOML, or holds something other than profiles and metas.
    """
    return document_of(read_file(workspace))


def read_file(workspace: Path) -> bytes:
    """Return the bytes of the workspace's ``quantflow.toml``; none when there is no such file.

    Raises:
        ConfigError: If it cannot be read.
    """
    path = workspace / FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except (OSError, ValueError) as error:
        raise ConfigError(f"{FILE} cannot be read: {error}.", hint=f"Look at {path}.") from error


def document_of(content: bytes) -> dict[str, Any]:
    """Return what the bytes of a ``quantflow.toml`` say, its shape checked.

    Raises:
        ConfigError: If they are not UTF-8, no TOML, or hold something other than profiles and metas.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{FILE} is not UTF-8 (byte {error.start}).", hint="Save it as UTF-8.") from error
    return _shaped(_parsed(text))


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
        line, column = found.groups() if found and found[1] else (str(text.count("\n") + 1), None)
        where = f"line {line}" + (f", column {column}" if column else "")
        what = str(error)[: found.start()] if found else str(error)
        raise ConfigError(f"{FILE}, {where}: {what}.", hint="Fix the TOML there.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{FILE} is not usable as TOML: {error}.", hint="Simplify the file.") from error


def _shaped(document: dict[str, Any]) -> dict[str, Any]:
    for key, tables in document.items():
        if key not in TABLES:
            unknown = unknown_name("table", key, TABLES)
            raise ConfigError(f"{FILE}: no table may be called {key!r}.", hint=unknown.hint)
        check_table(tables, f"{FILE}: {key}")
        for name, table in tables.items():
            check_name(name, f"{FILE}: the name of a {TABLES[key]}")
            check_table(table, f"{FILE}: {key}.{name}")
    return document


def check_table(value: Any, where: str) -> None:
    """Refuse what is not a table.

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


def extends_chain(name: str, document: Settings) -> Chain:
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
            _refuse_other_kind(current, document)
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


def _refuse_other_kind(name: str, document: Settings) -> None:
    if name in {*document.get("meta", {}), *built_in()["meta"]}:
        raise ConfigError(f"{name!r} is a meta profile, not a profile.", hint=f"quantflow meta --meta-profile {name}")


def _no_profile(name: str, asked_by: str, known: set[str]) -> ConfigError:
    unknown = unknown_name("profile", name, known)
    if not asked_by:
        return unknown
    if name == asked_by:
        return ConfigError(f"{FILE}: [profiles.{name}] extends itself.", hint="Take its extends out.")
    return ConfigError(f"{FILE}: [profiles.{asked_by}] extends = {show(name)}: no such profile.", hint=unknown.hint)


def stages_named(chain: Chain) -> list[Any]:
    """Return every ``stages`` setting of an extends chain, as it stands there."""
    tables = [table for _, _, table in chain]
    inner = [table["pipeline"] for table in tables if isinstance(table.get("pipeline"), dict)]
    return [table["stages"] for table in (*tables, *inner) if "stages" in table]
