"""Writes ``configuration.md`` from the models, ``artifacts.md`` and ``commands.md``: run this file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, BeforeValidator
from pydantic_core import to_jsonable_python

from quantflow.config.data import OPTIONS
from quantflow.config.features import FEATURES
from quantflow.config.meta import Sleeve
from quantflow.config.methods import METHODS
from quantflow.config.profile import SECTIONS, MetaProfile, Profile
from quantflow.config.sweeps.sweep import SweepConfig

PAGE = Path(__file__).with_name("configuration.md")
INTRODUCTION = Path(__file__).with_name("configuration.head.md")
META_KEYS = ("allow_partial", "min_sleeves", "renormalise", "budget")
META_SECTIONS = (
    "allocation",
    "calendar",
    "validation",
    "report",
    "publish",
    "orders",
    "schedule",
    "notify",
    "execution",
)
BOUNDS = {
    "minimum": ">= {}",
    "exclusiveMinimum": "> {}",
    "maximum": "<= {}",
    "exclusiveMaximum": "< {}",
    "minItems": "at least {}",
    "minProperties": "at least {}",
    "pattern": "matches `{}`",
}
KINDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}


def page() -> str:
    """Return the whole page, Markdown."""
    parts = [INTRODUCTION.read_text(encoding="utf-8").strip()]
    for name in SECTIONS:
        model = Profile.model_fields[name].annotation
        entry = getattr(model, "entry", None)  # of a section with a table per name
        parts.append(section(f"`[profiles.NAME.{name}{'.TABLE' if entry else ''}]`", entry or model))
        parts += [TABLES[name]()] if name in TABLES else []
    parts.append("## Meta profiles\n\nA portfolio of sleeves: a table `[meta.NAME]` of the same file.")
    parts.append(section("`[meta.NAME]`", MetaProfile, META_KEYS))
    parts.append(section("`sleeves = [{ … }, …]` of `[meta.NAME]`", Sleeve))
    for name in META_SECTIONS:
        parts.append(_meta_section(name))
    parts.append(
        "## Sweeps\n\nMany variants of a profile: a table `[sweep.NAME]` of the same file; see [research](research.md)."
    )
    parts.append(section("`[sweep.NAME]`", SweepConfig, [name for name in SweepConfig.model_fields if name != "name"]))
    return "\n\n".join(parts) + "\n"


def features() -> str:
    """Return the table of features."""
    head = "| feature | long prefers | short prefers | unit | meaning | needs |\n|---|---|---|---|---|---|"
    rows = []
    for feature in FEATURES.values():
        other = {"high": "low", "low": "high"}[feature.better] if feature.directional else feature.better
        meaning = f"{_sentence(feature.meaning)}{f' ({feature.source})' if feature.source else ''}"
        rows.append(f"| `{feature.name}` | {feature.better} | {other} | {feature.unit} | {meaning} | {feature.least} |")
    return "The features; with fewer observations than it needs, a feature is undefined:\n\n" + "\n".join([head, *rows])


def methods() -> str:
    """Return the table of allocation methods."""
    head = "| method | meaning | among sleeves |\n|---|---|---|"
    rows = [
        f"| `{method.name}` | {_sentence(method.meaning)}{f' ({method.source})' if method.source else ''} | "
        f"{'yes' if method.sleeves else 'no'} |"
        for method in METHODS.values()
    ]
    about = "The methods; a package adds others by the entry point group `quantflow.allocations`"
    return f"{about} ([plug-ins](plugins.md#an-allocation-method)):\n\n" + "\n".join([head, *rows])


def options() -> str:
    """Return the options of each built-in provider that has any."""
    titles = {name: f'`[profiles.NAME.data]` with `provider = "{name}"`' for name in OPTIONS}
    return "\n\n".join(section(titles[name], model) for name, model in OPTIONS.items() if model.model_fields)


TABLES = {"data": options, "scores": features, "allocation": methods}
"""What follows the keys of a section."""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].replace("|", "\\|")


def _meta_section(name: str) -> str:
    model = MetaProfile.model_fields[name].annotation
    if name in Profile.model_fields and Profile.model_fields[name].annotation is model:
        said = MetaProfile.model_fields[name].description
        keys = f"The keys of [`[profiles.NAME.{name}]`](#profilesname{name})"
        return f"### `[meta.NAME.{name}]`\n\n{keys}{f': {said}' if said else ''}."
    return section(f"`[meta.NAME.{name}]`", model)


def section(title: str, model: Any, keys: tuple[str, ...] = ()) -> str:
    """Return one section: what it is for, and a row per key.

    Args:
        title: Its heading.
        model: The pydantic model that reads it.
        keys: The keys to show; all when empty.
    """
    schema = model.model_json_schema()
    schema = schema["$defs"][model.__name__] if "$ref" in schema else schema  # of a model that contains itself
    rows = [
        f"| `{key}` | {_kind(model, key, schema['properties'][key])} | {_default(model, key)} | {_said(model, key)} |"
        for key in keys or tuple(model.model_fields)
    ]
    about = (model.__doc__ or "").split("Attributes:")[0]
    head = "| key | value | default | meaning |\n|---|---|---|---|"
    return f"### {title}\n\n{' '.join(about.split())}\n\n{head}\n" + "\n".join(rows)


def _kind(model: type[BaseModel], key: str, schema: dict[str, Any]) -> str:
    is_switch = any(isinstance(part, BeforeValidator) for part in model.model_fields[key].metadata)
    return f'{_value(schema)} or `"off"`' if is_switch else _value(schema)


def _value(schema: dict[str, Any]) -> str:
    """Return what a JSON schema allows, in words."""
    if "anyOf" in schema:
        return " or ".join(_value(part) for part in schema["anyOf"] if part.get("type") != "null")
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in schema.get("enum", [schema.get("const")]))
    limits = [words.format(_plain(schema[name])) for name, words in BOUNDS.items() if name in schema]
    return ", ".join([_noun(schema), *limits])


def _noun(schema: dict[str, Any]) -> str:
    if schema.get("format") == "date":
        return "date"
    if schema.get("type") == "array":
        return f"list of: {_value(schema['items'])}"
    if schema.get("type") == "object" and schema["additionalProperties"].get("type") == "array":
        return "table by setting of: list of values"
    if schema.get("type") == "object":
        return f"table by feature of: {_value(schema['additionalProperties'])}"
    return KINDS[schema["type"]]


def _plain(bound: Any) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound).replace("|", "\\|")


def _default(model: type[BaseModel], key: str) -> str:
    field = model.model_fields[key]
    value = None if field.is_required() else to_jsonable_python(field.get_default(call_default_factory=True))
    if value is None or value == "":
        return "required" if field.is_required() else "absent"
    if isinstance(value, dict):
        inside = ", ".join(f"{name} = {json.dumps(part)}" for name, part in value.items())
        return f"`{{ {inside} }}`" if inside else "`{}`"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _said(model: type[BaseModel], key: str) -> str:
    return _sentence((model.model_fields[key].description or "").rstrip("."))


if __name__ == "__main__":
    import generate_artifacts
    import generate_commands

    PAGE.write_text(page(), encoding="utf-8")
    generate_artifacts.main()
    generate_commands.PAGE.write_text(generate_commands.page(), encoding="utf-8")
