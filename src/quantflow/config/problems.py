"""One wrong setting in words: where it stands, its value, the rule, and the nearest valid name."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from quantflow.config.methods import AllowedMethod
from quantflow.errors import ConfigError, shortened, unknown_name
from quantflow.types import Record

Path = tuple[str | int, ...]

_RULES: dict[str, str] = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text in quotes",
    "string_too_long": "must not be longer than {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "too_short": "must hold {min_length} or more",
    "too_long": "must hold {max_length} or fewer",
    "date_type": "must be a date, YYYY-MM-DD",
    "date_from_datetime_parsing": "must be a date, YYYY-MM-DD",
    "date_from_datetime_inexact": "must be a date, YYYY-MM-DD",
    "date_parsing": "must be a date, YYYY-MM-DD",
    "missing": "is missing",
    "extra_forbidden": "no such key",
}


def explain(error: ValidationError, model: type[BaseModel], data: Record, place: Callable[[Path], str]) -> ConfigError:
    """Return the first problem, in the order of the settings, as one ConfigError, and how many more there are.

    Args:
        error: What validating *data* raised.
        model: The model that *data* was validated against.
        data: The settings.
        place: Given the path of a setting, where it was set and what it is called there.
    """
    found = error.errors(include_url=False, include_context=True)
    paths = [_known_path(data, problem["loc"]) for problem in found]
    path = min(paths, key=lambda each: _position(data, each))
    same = [problem for problem, other in zip(found, paths, strict=True) if other == path]
    rule = " or ".join(dict.fromkeys(_rule(problem) for problem in same)).replace(" or must be ", " or ")
    more = len(set(paths)) - 1
    also = f" There {'is' if more == 1 else 'are'} {more} more." if more else ""
    first = same[0]
    if first["type"] == "missing":
        return ConfigError(f"{place(path)} {rule}{_described(model, path)}.{also}", hint="Add it.")
    shown = _shown(data, path, is_whole=first["type"] == "value_error")
    if first["type"] == "extra_forbidden":
        known = _model_at(model, path[:-1]).model_fields
        hint = unknown_name("key", str(path[-1]), [name for name in known if name not in ("name", "sources")]).hint
        return ConfigError(f"{place(path)}{shown}: {rule}.{also}", hint=hint)
    text = f"{place(path)}{shown}: {rule.rstrip('.')}{_described(model, path)}.{also}"
    return ConfigError(text, hint=_hint(first, model, path))


def show(value: Any) -> str:
    """Return *value* as it would stand in a TOML file, cut to 60 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return shortened(text, 60)


def _rule(problem: Any) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "string_too_short":
        return "must not be empty" if context["min_length"] == 1 else f"must have {context['min_length']} characters"
    if kind in _RULES:
        return _RULES[kind].format(**{k: f"{v:g}" if isinstance(v, float) else v for k, v in context.items()})
    text = str(problem["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:] if text[:2].istitle() else text


def _known_path(data: Any, loc: Path) -> Path:
    """Return the part of a pydantic location that exists in *data*, and the key that is missing there."""
    kept: list[str | int] = []
    for part in loc:
        there = part in data if isinstance(data, dict) else isinstance(data, list) and part in range(len(data))
        if not there:
            return (*kept, part) if isinstance(data, dict) and part != "[key]" else tuple(kept)
        kept.append(part)
        data = data[part]
    return tuple(kept)


def _position(data: Any, path: Path) -> list[float]:
    """Return where a setting stands in its tables, from the outermost on.

    A table comes after what it holds, since what is wrong in it can make it wrong as well; a missing key comes last.
    """
    found: list[float] = []
    for part in path:
        keys = list(data) if isinstance(data, dict) else list(range(len(data)))
        if part not in keys:
            break
        found.append(keys.index(part))
        data = data[part]
    return [*found, math.inf]


def _shown(data: Any, path: Path, *, is_whole: bool) -> str:
    for part in path:
        if isinstance(data, dict) and part not in data:
            return ""
        data = data[part]
    return "" if is_whole and isinstance(data, dict) else f" = {show(data)}"


def _field(model: type[BaseModel], path: Path) -> FieldInfo | None:
    """Return the field that *path* leads to, or the last one on the way."""
    field: FieldInfo | None = None
    current: type[BaseModel] | None = model
    for part in path:
        if current is not None and part in current.model_fields:
            field = current.model_fields[str(part)]
            current = _inner(field.annotation)
        elif current is not None:
            current = getattr(current, "entry", current)  # of a section with a table per name
    return field


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    field = _field(model, path)
    found = (_inner(field.annotation) if field else None) or model
    return getattr(found, "entry", found)


def _inner(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation such as ``Model``, ``Model | None`` or ``tuple[Model, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _inner(part))), None)


def _described(model: type[BaseModel], path: Path) -> str:
    field = _field(model, path)
    return f" ({field.description.rstrip('.')})" if field and field.description else ""


def _choices(field: FieldInfo) -> list[str]:
    names = [name for part in field.metadata if isinstance(part, AllowedMethod) for name in part.names]
    return names or [str(choice) for choice in get_args(field.annotation)]


def _hint(problem: Any, model: type[BaseModel], path: Path) -> str:
    field = _field(model, path)
    choices = _choices(field) if field else []
    close = difflib.get_close_matches(str(problem["input"]), choices, n=1, cutoff=0.5)
    if problem["type"] in ("literal_error", "enum") and close:
        return f"Did you mean {close[0]!r}?"
    if field is None or field.is_required() or field.default_factory is not None or _inner(field.annotation):
        return "Fix the value."
    if field.default is None:
        return "Fix the value, or leave it out."
    return f"The default is {show(field.default)}."
