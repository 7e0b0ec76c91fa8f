"""Profiles from a JSON manifest: each key is mapped to a setting, or listed with the reason why it is not."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from quantflow.config import problems
from quantflow.config.data import DEFAULT_PROVIDER, OPTIONS, data_model
from quantflow.config.load import document_problems
from quantflow.config.profile import SECTIONS, Profile
from quantflow.config.sections import NAME, Section
from quantflow.config.workspaces import FILE
from quantflow.errors import ConfigError, shortened
from quantflow_manifest.hold import Target, chain_of, held
from quantflow_manifest.imported import Imported, Line, plain, shown
from quantflow_manifest.keys import OF_SECTION, RULES, Rule, sessions_of
from quantflow_manifest.metas import PARENTS, meta_of

BASE = "manifest_defaults"
"""The profile that holds the manifest's ``defaults``; all others extend it."""


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
        out.document["profiles"][BASE] = _profile(BASE, defaults, "defaults", {}, out)
    for key in manifest:
        if key not in ("profiles", "defaults", "aliases"):
            out.skip(shown(key), "a manifest's profiles are in 'profiles', what they share in 'defaults'")
    for key, name in names.items():
        _add(name, manifest["profiles"][key], f"profiles.{shown(key)}", names, out)
    _add_aliases(manifest, names, out)
    _drop_what_does_not_load(out)
    _hold(out)
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
            out.lines.append(Line(f"profiles.{shown(key)}", names[key], note="renamed: letters, digits, - and _"))
    return names


def _safe_name(key: str, taken: set[str]) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", key).lstrip("_-")[:56] or "profile"
    name, count = plain, 1
    while name in taken:
        count += 1
        name = f"{plain}_{count}"
    return name


def _add(name: str, value: Any, where: str, names: Mapping[str, str], out: Imported) -> None:
    if isinstance(value, str):
        return  # an alias; they come last, when all that they can name is there
    if not isinstance(value, dict):
        out.skip(where, "is not a table of settings")
    elif "sleeves" in value or "meta_allocation" in value:
        if (meta := meta_of(name, value, where, names, out)) is not None:
            out.document["meta"][name] = meta
    elif not _points_elsewhere(value):
        own = {key: part for key, part in value.items() if key not in ("alias", "aliases", *PARENTS)}
        parent = _parent(value, where, names, out)
        base = parent or (BASE if BASE in out.document["profiles"] else "")
        made = _profile(name, own, where, _inherited(base, out), out)
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
    for key in PARENTS:
        if key in value:
            if isinstance(value[key], str) and value[key] in names:
                out.lines.append(Line(f"{where}.{key}", "extends", names[value[key]]))
                return names[value[key]]
            out.skip(f"{where}.{key}", f"names no profile of the manifest: {problems.show(plain(value[key]))}")
    return ""


def _profile(name: str, value: Any, where: str, start: Mapping[str, Any], out: Imported) -> dict[str, Any]:
    """Return the sections of a profile; each key is noted.

    Args:
        name: What the profile is called.
        value: The manifest's table.
        where: Its path.
        start: The sections that it extends, which its own have to fit.
        out: Takes the notes.
    """
    sections: dict[str, dict[str, Any]] = {}
    by: dict[tuple[str, str], str] = {}
    if not isinstance(value, dict):
        out.skip(where, "is not a table of settings")
        return sections
    leaves = _leaves(value, where, out)
    for section, key, path, found in sorted(leaves, key=lambda leaf: leaf[1] not in _FIRST):
        rule = _rule(section, key)
        if rule is None:
            out.skip(path, _no_rule(key))
            continue
        beside = {name: {**start.get(name, {}), **sections.get(name, {})} for name in {*start, *sections}}
        try:
            target, setting = _setting(rule, found, str(beside.get("calendar", {}).get("name", "")))
            _check_free(target, setting, sections, by)
            _check_fits(target, setting, beside.get(target[0], {}))
        except ValueError as error:
            out.skip(path, f"{error}{_stays(rule.target, beside)}")
            if rule.target and found is not None:  # null says nothing
                out.refused.setdefault(name, set()).add(rule.target)
            continue
        sections.setdefault(target[0], {})[target[1]] = setting
        by[target] = path
        out.lines.append(Line(path, ".".join(target), setting, rule.note))
    return sections


_FIRST = ("provider", "source", "calendar", "market_calendar")
"""Keys that decide what others mean."""


def _stays(target: Target | tuple[()], beside: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what a setting stays at whose value was refused; nothing where the key is no setting."""
    if not target:
        return ""
    section, key = target
    if key in beside.get(section, {}):
        value = beside[section][key]
    else:
        found = keys_of(section).get(key)
        value = None if found is None or found.is_required() else found.get_default(call_default_factory=True)
    plain = to_jsonable_python(value)
    return f"; {section}.{key} stays at {'its default, not set' if plain is None else problems.show(plain)}"


def _leaves(value: Mapping[str, Any], where: str, out: Imported) -> list[tuple[str, str, str, Any]]:
    """Return (section, key, path, value) of each key: those at the top of a profile have no section."""
    found: list[tuple[str, str, str, Any]] = []
    for name, part in value.items():
        path = f"{where}.{shown(name)}"
        if isinstance(part, dict) and _key(name) not in RULES:
            found += [(_key(name), _key(key), f"{path}.{shown(key)}", inner) for key, inner in part.items()]
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


def keys_of(section: str) -> dict[str, FieldInfo]:
    """Return the keys of a section; those of ``data`` with the options of all providers."""
    model: Any = Profile.model_fields[section].annotation
    options = OPTIONS.values() if section == "data" else ()
    return {**{key: found for each in options for key, found in each.model_fields.items()}, **model.model_fields}


def _no_rule(key: str) -> str:
    close = difflib.get_close_matches(key, RULES, n=1, cutoff=0.75)
    return f"there is no such setting{f'; did you mean {close[0]!r}?' if close else ''}"


def _setting(rule: Rule, value: Any, calendar: str) -> tuple[tuple[str, str], Any]:
    if not rule.target:
        raise ValueError(rule.note)
    if value is None:
        raise ValueError("is null")
    try:
        return rule.target, sessions_of(value, calendar) if rule.days else rule.convert(value)
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
        raise ValueError(shortened(found.message.encode("utf-8", "backslashreplace").decode(), 160)) from error


def _add_aliases(manifest: Mapping[str, Any], names: Mapping[str, str], out: Imported) -> None:
    """Add each alias as a profile that extends the one it names, or as a copy of the meta profile."""
    asked: list[tuple[str, str, Any]] = []
    for key, value in manifest["profiles"].items():
        if isinstance(value, str):
            asked.append((f"profiles.{shown(key)}", names[key], value))
        elif isinstance(value, dict) and _points_elsewhere(value):
            asked.append((f"profiles.{shown(key)}.alias", names[key], value["alias"]))
        elif isinstance(value, dict):
            for field_name in ("alias", "aliases"):
                listed = value.get(field_name, [])
                where = f"profiles.{shown(key)}.{field_name}"
                asked += [(where, alias, key) for alias in (listed if isinstance(listed, list) else [listed])]
    table = manifest.get("aliases", {})
    asked += [(f"aliases.{shown(key)}", key, value) for key, value in table.items()] if isinstance(table, dict) else []
    for where, alias, target in _nearest_first(asked, names, out):
        if not isinstance(alias, str) or not re.fullmatch(NAME, alias):
            out.skip(where, f"{problems.show(plain(alias))} cannot be a name")
        elif not isinstance(target, str) or not _add_alias(alias, names.get(target, target), out):
            out.skip(where, f"{problems.show(plain(alias))} points to no profile, or there is one of that name")
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
    for name, meta in metas.items():
        for sleeve in meta["sleeves"]:
            if "meta" in sleeve and sleeve.pop("run_id", None) is not None:
                out.short.add(name)
                out.skip(
                    f"meta.{name}.sleeves", f"{sleeve['meta']} is a portfolio, which cannot be pinned: it runs now"
                )
    while wrong := document_problems(out.document, Path()):
        for (kind, name), error in wrong.items():
            out.document[kind].pop(name)
            out.skip(f"{kind}.{name}", f"left out: {shown(error.message).removeprefix(f'{FILE}: ')}")
    if BASE in profiles and len(profiles) == 1 and not metas:
        profiles.pop(BASE)


def _hold(out: Imported) -> None:
    """Take publication from what is not known well enough; what extends such a profile and is known gets it back."""
    out.held = held(out.document, out.refused, out.short)
    for kind in ("profiles", "meta"):
        for name, table in out.document[kind].items():
            why = out.held.get((kind, name))
            own = table.get("publish", {})
            if why:
                table["publish"] = {**own, "enabled": False}
                out.lines.append(Line(f"{kind}.{name}", "publish.enabled", False, why))
            elif kind == "profiles" and "enabled" not in own and _parents_held(name, out):
                table["publish"] = {**own, "enabled": True}


def _parents_held(name: str, out: Imported) -> bool:
    return any(("profiles", parent) in out.held for parent in chain_of(name, out.document)[1:])
