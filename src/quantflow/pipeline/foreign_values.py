"""Values of foreign contexts and the artifacts that they become: out without pickling, and back as the field wants."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from pydantic import AliasChoices, BaseModel, TypeAdapter
from pydantic_core import to_jsonable_python

Annotation: TypeAlias = Any
"""What a field of a context is declared to hold."""

_PLAIN = (str, int, float, date, Enum)
"""Types of fields that a column holds as they are; a column of any other type holds JSON text."""


def artifact_of(value: Any, annotation: Annotation = Any) -> Any:
    """Return a value as the store takes it: a DataFrame with named columns, a JSON mapping, or text.

    A list of dataclasses or pydantic models becomes a table: a row each, a column per field.

    Args:
        value: What the context's field holds.
        annotation: What the field is declared to hold; says which columns an empty list has.

    Raises:
        TypeError, ValueError: If JSON cannot hold it, or a list mixes classes.
    """
    import pandas as pd

    if isinstance(value, pd.Series):
        value = value.to_frame(str(value.name or "value"))
    if isinstance(value, pd.DataFrame):
        named = value.rename(columns=str)
        plain = isinstance(named.index, pd.RangeIndex) or all(name is not None for name in named.index.names)
        return named if plain else named.rename_axis("index")
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and (item := _class_of(value, annotation)) is not None:
        return _table(value, item)
    plain = json.loads(json.dumps(value, allow_nan=False, default=_as_json))
    return plain if isinstance(plain, dict) else {"value": plain}


def value_of(artifact: Any, annotation: Annotation = Any) -> Any:
    """Return an artifact as a context's field wants it; a copy.

    A table becomes a list of the dataclasses or models that the field holds, a list of dicts or a Series where the
    field is one; a record ``{"value": …}`` becomes what is in it where the field is not a mapping.

    Raises:
        ValueError: If a row is not one of the class (pydantic's ``ValidationError``).
    """
    import pandas as pd

    wanted = _bare(annotation)
    listed = (get_origin(wanted) or wanted) in (list, tuple, Sequence)
    if isinstance(artifact, pd.DataFrame):
        if listed:
            item = item_class(wanted)
            return _items(artifact, item) if item is not None else artifact.to_dict("records")
        return artifact.iloc[:, 0].copy() if wanted is pd.Series and artifact.shape[1] == 1 else artifact.copy()
    if isinstance(artifact, str):
        return artifact
    plain = json.loads(json.dumps(artifact))
    inside = set(plain) == {"value"} and wanted not in (Any, dict) and not _is_mapping(wanted)
    return plain["value"] if inside else plain


def item_class(annotation: Annotation) -> type | None:
    """Return the dataclass or model of which a field holds a list; None for any other field."""
    item = next(iter(get_args(_bare(annotation))), None)
    return item if _is_record(item) else None


def by_alias(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names under which a model is made, where a field's name is not one."""
    names = {name: _alias(field.validation_alias) or name for name, field in model.model_fields.items()}
    return {names.get(name, name): value for name, value in values.items()}


def _alias(found: Any) -> str | None:
    choices = found.choices if isinstance(found, AliasChoices) else [found]
    return next((each for each in choices if isinstance(each, str)), None)


def plain_name(annotation: Annotation) -> str:
    """Return an annotation as a person writes it."""
    return getattr(annotation, "__name__", str(annotation)) if not get_args(annotation) else str(annotation)


def _is_record(found: Any) -> bool:
    return isinstance(found, type) and (issubclass(found, BaseModel) or dataclasses.is_dataclass(found))


def _is_mapping(wanted: Any) -> bool:
    origin = get_origin(wanted) or wanted
    return isinstance(origin, type) and (issubclass(origin, Mapping) or _is_record(origin))


def _bare(annotation: Annotation) -> Any:
    """Return an annotation without ``None`` and ``Annotated``."""
    if hasattr(annotation, "__metadata__"):
        return _bare(annotation.__origin__)
    origin: Any = get_origin(annotation)
    if origin is Union or origin is UnionType:
        others = [each for each in get_args(annotation) if each is not NoneType]
        return _bare(others[0]) if len(others) == 1 else annotation
    return annotation


def _class_of(items: Sequence[Any], annotation: Annotation) -> type | None:
    """Return the class of which *items* are rows of a table; None where they are plain values.

    Raises:
        TypeError: If they are of several classes.
    """
    classes = list(dict.fromkeys(type(item) for item in items))
    if not classes:
        return item_class(annotation)
    if not any(_is_record(each) for each in classes):
        return None
    if len(classes) > 1:
        raise TypeError(f"a list of several classes ({', '.join(each.__name__ for each in classes)}) has no columns")
    return classes[0]


def _fields(item: Any) -> dict[str, Annotation]:
    """Return the fields of a dataclass or model, with what they hold."""
    if issubclass(item, BaseModel):
        return {name: field.annotation for name, field in item.model_fields.items()}
    hints = get_type_hints(item)
    return {field.name: hints[field.name] for field in dataclasses.fields(item)}


def _in_json(annotation: Annotation) -> bool:
    """Whether a column holds JSON text: one type alone decides, so that both directions agree."""
    bare = _bare(annotation)
    return get_origin(bare) is not Literal and not (isinstance(bare, type) and issubclass(bare, _PLAIN))


def _table(items: Sequence[Any], item: type) -> Any:
    import pandas as pd

    columns: dict[str, list[Any]] = {}
    for name, annotation in _fields(item).items():
        values = [to_jsonable_python(getattr(each, name), fallback=_as_json) for each in items]
        columns[name] = [json.dumps(value) for value in values] if _in_json(annotation) else values
    return pd.DataFrame(columns)


def _items(table: Any, item: type) -> list[Any]:
    fields = _fields(item)
    rows = [
        {name: _cell(row[name], annotation) for name, annotation in fields.items() if name in row}
        for row in table.to_dict("records")
    ]
    return [_made(item, row) for row in rows]


def _cell(value: Any, annotation: Annotation) -> Any:
    if _in_json(annotation):
        return json.loads(value)
    optional = NoneType in get_args(annotation)
    return None if optional and isinstance(value, float) and value != value else value


@cache
def _adapter(annotation: Annotation) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def _made(item: Any, row: Mapping[str, Any]) -> Any:
    """Return a dataclass or model of a row; what a dataclass computes itself is set to what it was."""
    if issubclass(item, BaseModel):
        return item(**by_alias(item, row))
    kinds = _fields(item)
    values = {name: _adapter(kinds[name]).validate_python(value) for name, value in row.items()}
    asked = {field.name for field in dataclasses.fields(item) if field.init}
    made = item(**{name: value for name, value in values.items() if name in asked})
    for name in values.keys() - asked:
        object.__setattr__(made, name, values[name])
    return made


def _as_json(value: Any) -> Any:
    """Return a numpy value as plain Python, a date as text, a dataclass or model as a mapping."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if _is_record(type(value)) or isinstance(value, Enum):
        return to_jsonable_python(value, fallback=_as_json)
    raise TypeError(f"{type(value).__name__} is not JSON")
