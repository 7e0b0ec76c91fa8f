"""Profiles from a JSON manifest: each key is mapped to a setting, or listed with the reason why it is not."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from quantflow.config import problems
from quantflow.config.data import DEFAULT_PROVIDER, OPTIONS, data_model
from quantflow.config.load import document_problems
from quantflow.config.meta import MetaAllocation
from quantflow.config.profile import SECTIONS, Profile
from quantflow.config.sections import NAME, Section
from quantflow.config.workspaces import FILE
from quantflow.errors import ConfigError
from quantflow_manifest.keys import OF_SECTION, RULES, Rule, method
from quantflow_manifest.toml_text import toml_text

BASE = "manifest_defaults"
"""The profile that holds the manifest's ``defaults``; all others extend it."""
_PARENTS = ("extends", "inherits", "base", "parent")
_DEEPEST = 32


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
    """

    document: dict[str, dict[str, Any]] = field(default_factory=lambda: {"profiles": {}, "meta": {}})
    lines: list[Line] = field(default_factory=list)

    @property
    def toml(self) -> str:
        """The text of the ``quantflow.toml``."""
        return toml_text(self.document)

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


def read_manifest(path: Path) -> Imported:
    """Return the profiles of the manifest at *path*; all of them load.

    Raises:
        ConfigError: If it cannot be read, is not JSON, or has no profile that loads.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", hint="Name a JSON file in UTF-8.") from error
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not usable as JSON: {error}.", hint="Fix the JSON there.") from error
    return imported(found)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON number")


def imported(manifest: Any) -> Imported:
    """Return the profiles of a manifest that was read.

    Args:
        manifest: A mapping with ``profiles``, and perhaps ``defaults`` and ``aliases``. A profile is a mapping of
            sections or keys; one with ``sleeves`` is a meta profile; a text is an alias of the profile that it names.

    Raises:
        ConfigError: If it is no such mapping, or no profile of it loads.
    """
    if not isinstance(manifest, dict) or not isinstance(manifest.get("profiles"), dict) or not manifest["profiles"]:
        raise ConfigError(
            "The manifest has no table 'profiles'.", hint='It looks like {"defaults": {…}, "profiles": {"name": {…}}}.'
        )
    out = Imported()
    names = _names(manifest["profiles"], out)
    if defaults := manifest.get("defaults"):
        out.document["profiles"][BASE] = _profile(defaults, "defaults", {}, names, out)
    for key in manifest:
        if key not in ("profiles", "defaults", "aliases"):
            out.skip(_shown(key), "a manifest's profiles are in 'profiles', what they share in 'defaults'")
    for key, name in names.items():
        _add(name, manifest["profiles"][key], f"profiles.{_shown(key)}", names, out)
    _add_aliases(manifest, names, out)
    _drop_what_does_not_load(out)
    if not out.document["profiles"]:
        raise ConfigError("No profile of the manifest can be used.", hint=_first_reason(out))
    out.document = {kind: tables for kind, tables in out.document.items() if tables}
    return out


def _first_reason(out: Imported) -> str:
    return next((f"{line.key}: {line.note}" for line in out.unmapped), "Look at its profiles.")


def _names(profiles: Mapping[str, Any], out: Imported) -> dict[str, str]:
    """Return a name that may be used for each profile of the manifest; one that had to change is listed."""
    names: dict[str, str] = {}
    for key in profiles:
        names[key] = _safe_name(key, {*names.values(), BASE})
        if names[key] != key:
            out.lines.append(Line(f"profiles.{_shown(key)}", names[key], note="renamed: letters, digits, - and _"))
    return names


def _safe_name(key: str, taken: set[str]) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", key).lstrip("_-")[:56] or "profile"
    name, count = plain, 1
    while name in taken:
        count += 1
        name = f"{plain}_{count}"
    return name


def _shown(text: object) -> str:
    return str(text).encode("utf-8", "backslashreplace").decode()[:80]


def _add(name: str, value: Any, where: str, names: Mapping[str, str], out: Imported) -> None:
    if isinstance(value, str):
        return  # an alias; they come last, when all that they can name is there
    if not isinstance(value, dict):
        out.skip(where, "is not a table of settings")
    elif "sleeves" in value or "meta_allocation" in value:
        if (meta := _meta(value, where, names, out)) is not None:
            out.document["meta"][name] = meta
    elif not _points_elsewhere(value):
        own = {key: part for key, part in value.items() if key not in ("alias", "aliases", *_PARENTS)}
        parent = _parent(value, where, names, out)
        base = parent or (BASE if BASE in out.document["profiles"] else "")
        made = _profile(own, where, _inherited(base, out), names, out)
        out.document["profiles"][name] = {**({"extends": base} if base else {}), **made}


def _inherited(name: str, out: Imported) -> dict[str, dict[str, Any]]:
    """Return the sections that a profile has, with those that it extends."""
    profiles, chain = out.document["profiles"], []
    while name in profiles and name not in chain:
        chain.append(name)
        name = profiles[name].get("extends", "")
    merged: dict[str, dict[str, Any]] = {}
    for each in reversed(chain):
        for section, table in profiles[each].items():
            if section != "extends":
                merged[section] = {**merged.get(section, {}), **table}
    return merged


def _points_elsewhere(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("alias"), str) and len(value) == 1


def _parent(value: Mapping[str, Any], where: str, names: Mapping[str, str], out: Imported) -> str:
    for key in _PARENTS:
        if key in value:
            if isinstance(value[key], str) and value[key] in names:
                out.lines.append(Line(f"{where}.{key}", "extends", names[value[key]]))
                return names[value[key]]
            out.skip(f"{where}.{key}", f"names no profile of the manifest: {problems.show(_plain(value[key]))}")
    return ""


def _plain(value: Any) -> Any:
    return _shown(value) if isinstance(value, str) else _shown(json.dumps(value)[:60])


def _profile(
    value: Any, where: str, start: Mapping[str, Any], names: Mapping[str, str], out: Imported
) -> dict[str, Any]:
    """Return the sections of a profile; each key is noted.

    Args:
        value: The manifest's table.
        where: Its path.
        start: The sections that it extends, which its own have to fit.
        names: Names of profiles.
        out: Takes the notes.
    """
    sections: dict[str, dict[str, Any]] = {}
    by: dict[tuple[str, str], str] = {}
    if not isinstance(value, dict):
        out.skip(where, "is not a table of settings")
        return sections
    leaves = _leaves(value, where, out)
    for section, key, path, found in sorted(leaves, key=lambda leaf: leaf[1] not in ("provider", "source")):
        rule = _rule(section, key)
        if rule is None:
            out.skip(path, _no_rule(key))
            continue
        try:
            target, setting = _setting(rule, found)
            _check_free(target, setting, sections, by)
            _check_fits(target, setting, {**start.get(target[0], {}), **sections.get(target[0], {})})
        except ValueError as error:
            out.skip(path, str(error))
            continue
        sections.setdefault(target[0], {})[target[1]] = setting
        by[target] = path
        out.lines.append(Line(path, ".".join(target), setting, rule.note))
    return sections


def _leaves(value: Mapping[str, Any], where: str, out: Imported) -> list[tuple[str, str, str, Any]]:
    """Return (section, key, path, value) of each key: those at the top of a profile have no section."""
    found: list[tuple[str, str, str, Any]] = []
    for name, part in value.items():
        path = f"{where}.{_shown(name)}"
        if isinstance(part, dict) and _key(name) not in RULES:
            found += [(_key(name), _key(key), f"{path}.{_shown(key)}", inner) for key, inner in part.items()]
            if not part:
                out.skip(path, "is empty")
        else:
            found.append(("", _key(name), path, part))
    return found


def _key(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _rule(section: str, key: str) -> Rule | None:
    """Return what a key means: what its section says, a setting of the same name, what the key says anywhere."""
    if (section, key) in OF_SECTION:
        return OF_SECTION[section, key]
    if section in SECTIONS and section != "pipeline" and key in keys_of(section):
        rule = RULES.get(key)
        return rule if rule and rule.target == (section, key) else Rule((section, key), lambda value: value)
    return RULES.get(key)


def keys_of(section: str) -> set[str]:
    """Return the keys of a section; those of ``data`` with the options of all providers."""
    model: Any = Profile.model_fields[section].annotation
    options = [key for options in OPTIONS.values() for key in options.model_fields] if section == "data" else []
    return {*model.model_fields, *options}


def _no_rule(key: str) -> str:
    close = difflib.get_close_matches(key, RULES, n=1, cutoff=0.75)
    return f"there is no such setting{f'; did you mean {close[0]!r}?' if close else ''}"


def _setting(rule: Rule, value: Any) -> tuple[tuple[str, str], Any]:
    if not rule.target:
        raise ValueError(rule.note)
    if value is None:
        raise ValueError("is null: the default stays")
    try:
        return rule.target, rule.convert(value)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"cannot be read: {error}") from error


def _check_free(
    target: tuple[str, str], setting: Any, sections: Mapping[str, Any], by: Mapping[tuple[str, str], str]
) -> None:
    if target in by and sections[target[0]][target[1]] != setting:
        had = problems.show(sections[target[0]][target[1]])
        raise ValueError(f"{by[target]} has set {'.'.join(target)} to {had} already")


def _check_fits(target: tuple[str, str], setting: Any, beside: Mapping[str, Any]) -> None:
    """Refuse a setting that its section does not take.

    Raises:
        ValueError: Saying why.
    """
    values = {**beside, target[1]: setting}
    model: Any = Profile.model_fields[target[0]].annotation
    if target[0] == "data":
        options = OPTIONS.get(str(values.get("provider", DEFAULT_PROVIDER)), Section)
        readers = [name for name, model in OPTIONS.items() if target[1] in model.model_fields]
        if readers and target[1] not in options.model_fields:
            raise ValueError(f"is an option of the provider {readers[0]!r}, which the profile does not name")
        model = data_model(options)
    try:
        text = json.dumps(values)
        text.encode()  # text of half a character is not text
        model.model_validate_json(text, strict=True)
    except ValidationError as error:
        found = problems.explain(error, model, values, lambda path: ".".join((target[0], *map(str, path))))
        raise ValueError(_shown(found.message)) from error


def _meta(value: Mapping[str, Any], where: str, names: Mapping[str, str], out: Imported) -> dict[str, Any] | None:
    listed = value.get("sleeves")
    if isinstance(listed, dict):
        listed = [
            {"id": key, **(part if isinstance(part, dict) else {"profile": part})} for key, part in listed.items()
        ]
    if not isinstance(listed, list):
        out.skip(f"{where}.sleeves", "is not a list of sleeves")
        return None
    sleeves = [_sleeve(part, f"{where}.sleeves[{number}]", names, out) for number, part in enumerate(listed)]
    meta: dict[str, Any] = {"sleeves": [sleeve for sleeve in sleeves if sleeve]}
    if allocation := _meta_allocation(value.get("meta_allocation"), f"{where}.meta_allocation", out):
        meta["allocation"] = allocation
    for key in value:
        if key not in ("sleeves", "meta_allocation", "alias", "aliases"):
            out.skip(f"{where}.{_shown(key)}", "settings belong to the profiles of the sleeves")
    return meta


def _sleeve(value: Any, where: str, names: Mapping[str, str], out: Imported) -> dict[str, Any] | None:
    table = {"profile": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        out.skip(where, "is neither a profile's name nor a table")
        return None
    asked = table.get("profile", table.get("meta"))
    if not isinstance(asked, str) or asked not in names:
        out.skip(where, f"names no profile of the manifest: {problems.show(_plain(asked))}")
        return None
    sleeve: dict[str, Any] = {"profile": names[asked]}
    out.lines.append(Line(f"{where}.profile", "sleeves.profile", names[asked]))
    for key, part in table.items():
        if key in ("min_weight", "max_weight") and isinstance(part, int | float) and not isinstance(part, bool):
            sleeve[key] = part
        elif key in ("id", "name") and isinstance(part, str) and re.fullmatch(NAME, part):
            sleeve["id"] = part
        elif key not in ("profile", "meta"):
            why = "weights of sleeves are decided by the allocation" if key == "weight" else "a sleeve has no such key"
            out.skip(f"{where}.{_shown(key)}", why)
            continue
        else:
            continue
        out.lines.append(Line(f"{where}.{key}", f"sleeves.{'id' if key == 'name' else key}", part))
    return sleeve


def _meta_allocation(value: Any, where: str, out: Imported) -> dict[str, Any]:
    if value is None:
        return {}
    table = {"method": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        out.skip(where, "is neither a method nor a table")
        return {}
    renamed = {"profile": "method", "optimizer": "method", "lookback_days": "lookback", "train_window": "lookback"}
    made: dict[str, Any] = {}
    for key, part in table.items():
        target = renamed.get(key, key)
        try:
            if target not in MetaAllocation.model_fields:
                raise ValueError("the allocation among sleeves has no such setting")
            setting = method(part) if target == "method" else part
            MetaAllocation.model_validate_json(json.dumps({**made, target: setting}), strict=True)
        except ValidationError as error:
            out.skip(f"{where}.{_shown(key)}", str(error.errors(include_url=False)[0]["msg"]))
        except ValueError as error:
            out.skip(f"{where}.{_shown(key)}", str(error))
        else:
            made[target] = setting
            out.lines.append(Line(f"{where}.{key}", f"allocation.{target}", setting))
    return made


def _add_aliases(manifest: Mapping[str, Any], names: Mapping[str, str], out: Imported) -> None:
    """Add each alias as a profile that extends the one it names, or as a copy of the meta profile."""
    asked: list[tuple[str, str, Any]] = []
    for key, value in manifest["profiles"].items():
        if isinstance(value, str):
            asked.append((f"profiles.{_shown(key)}", names[key], value))
        elif isinstance(value, dict) and _points_elsewhere(value):
            asked.append((f"profiles.{_shown(key)}.alias", names[key], value["alias"]))
        elif isinstance(value, dict):
            for field_name in ("alias", "aliases"):
                listed = value.get(field_name, [])
                where = f"profiles.{_shown(key)}.{field_name}"
                asked += [(where, alias, key) for alias in (listed if isinstance(listed, list) else [listed])]
    table = manifest.get("aliases", {})
    asked += [(f"aliases.{_shown(key)}", key, value) for key, value in table.items()] if isinstance(table, dict) else []
    for where, alias, target in _nearest_first(asked, names, out):
        if not isinstance(alias, str) or not re.fullmatch(NAME, alias):
            out.skip(where, f"{problems.show(_plain(alias))} cannot be a name")
        elif not isinstance(target, str) or not _add_alias(alias, names.get(target, target), out):
            out.skip(where, f"{problems.show(_plain(alias))} points to no profile, or there is one of that name")
        else:
            out.lines.append(Line(where, f"{alias} extends", names.get(target, target)))


def _nearest_first(
    asked: list[tuple[str, Any, Any]], names: Mapping[str, str], out: Imported
) -> list[tuple[str, Any, Any]]:
    """Return the aliases so that one of an alias comes after it; those that lead nowhere come last."""
    known = {*out.document["profiles"], *out.document["meta"]}
    order: list[tuple[str, Any, Any]] = []
    left = list(asked)
    while ready := [a for a in left if isinstance(a[2], str) and names.get(a[2], a[2]) in known]:
        order += ready
        known |= {alias for _, alias, _ in ready if isinstance(alias, str)}
        left = [a for a in left if a not in ready]
    return order + left


def _add_alias(alias: str, target: str, out: Imported) -> bool:
    profiles, metas = out.document["profiles"], out.document["meta"]
    if alias in profiles or alias in metas:
        return False
    if target in profiles:
        profiles[alias] = {"extends": target}
    elif target in metas:
        metas[alias] = dict(metas[target])
    return target in profiles or target in metas


def _drop_what_does_not_load(out: Imported) -> None:
    """Say of each sleeve what it is, then take out what does not load, until all that is left does."""
    profiles, metas = out.document["profiles"], out.document["meta"]
    for meta in metas.values():
        meta["sleeves"] = [
            {"meta" if k == "profile" and v in metas else k: v for k, v in s.items()} for s in meta["sleeves"]
        ]
    while wrong := document_problems(out.document, Path()):
        for (kind, name), error in wrong.items():
            out.document[kind].pop(name)
            out.skip(f"{kind}.{name}", f"left out: {_shown(error.message).removeprefix(f'{FILE}: ')}")
    if BASE in profiles and len(profiles) == 1 and not metas:
        profiles.pop(BASE)
