"""Stages of other frameworks: a class with ``execute(context)`` on a context of its own, wrapped and not rewritten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError

from quantflow.data.panel import Panel
from quantflow.errors import DataError, DataUnavailableError, QuantflowError, StageError, said
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Outputs, StageConfig, Summary


class ForeignStage(BasePipelineStage[StageConfig]):
    """Runs a foreign stage: fills its context from artifacts and settings, calls it, takes artifacts out again.

    The declaration is all there is to write:

        class Trend(ForeignStage):
            id, kind = "trend", Kind.COMPUTE
            foreign, context = TheirTrendStage, TheirContext
            takes = {"closes": "prices", "volumes": "prices.volume"}
            gives = {"trend": "trend"}

    A context field is given a copy of the artifact as a DataFrame: of prices the closes, or the field after the dot,
    sessions by symbols. A record arrives as a dict. A field of the context that is called like one of ``Config`` is
    given that section as a dict. Out come DataFrames, Series, pydantic models and whatever JSON can hold: nothing is
    pickled.
    """

    foreign: ClassVar[type]
    """The class; it is made without arguments, and ``execute`` returns a context, or None if it changed the given."""
    context: ClassVar[type[BaseModel]]
    takes: ClassVar[Mapping[str, str]] = {}
    """Field of the context to the artifact that it is filled from."""
    gives: ClassVar[Mapping[str, str]]
    """Field of the context to the artifact that is made of it."""
    transient: ClassVar[tuple[type[Exception], ...]] = (ConnectionError, TimeoutError)
    """Errors after which another try may go better; only a network stage is tried again."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.needs = tuple(dict.fromkeys(path.partition(".")[0] for path in cls.takes.values()))
        cls.makes = tuple(getattr(cls, "gives", {}).values())

    def modules(self) -> frozenset[str]:
        """Return the modules of the wrapper, of the foreign class and of its context."""
        return super().modules() | {self.foreign.__module__, self.context.__module__}

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return what the foreign stage left in its context.

        Raises:
            DataUnavailableError: For one of the errors in ``transient``.
            StageError: If the context cannot be filled, has no such field afterwards, or the foreign stage fails.
        """
        context = self._filled(inputs, config)
        try:
            after = self.foreign().execute(context)
        except QuantflowError:
            raise
        except self.transient as error:
            raise DataUnavailableError(f"Stage {self.id!r}: {type(error).__name__}: {said(error)}") from error
        except Exception as error:  # whatever a foreign stage raises
            raise StageError(
                f"Stage {self.id!r} ({self._name}) failed: {type(error).__name__}: {said(error)}"
            ) from error
        result = context if after is None else after
        return {artifact: self._taken(result, field) for field, artifact in self.gives.items()}

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the size of each table that was made."""
        frames = {name: value for name, value in outputs.items() if type(value).__name__ == "DataFrame"}
        return Summary(note=", ".join(f"{name} {len(table)} × {table.shape[1]}" for name, table in frames.items()))

    @property
    def _name(self) -> str:
        return f"{self.foreign.__module__}.{self.foreign.__qualname__}"

    def _filled(self, inputs: Inputs, config: StageConfig) -> BaseModel:
        values = {field: _given(inputs, path) for field, path in self.takes.items()}
        sections = config.model_dump(mode="json")
        values |= {name: value for name, value in sections.items() if name in self.context.model_fields}
        try:
            return self.context(**values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise StageError(
                f"Stage {self.id!r}: {self.context.__name__} cannot be filled: {where}: {first['msg']}.",
                hint="Name the field in takes, or give Config a section of that name.",
            ) from error

    def _taken(self, context: Any, field: str) -> Any:
        value = getattr(context, field, None)
        if value is None:
            raise StageError(
                f"Stage {self.id!r}: {self._name} left nothing in the field {field!r} of its context.",
                hint="Look at the names in gives.",
            )
        try:
            return _artifact(value)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"Stage {self.id!r}: the field {field!r} holds a {type(value).__name__}, which cannot be an artifact: "
                f"{said(error)}.",
                hint="Tables become Parquet and plain values JSON; nothing is pickled.",
            ) from error


def _given(inputs: Inputs, path: str) -> Any:
    name, _, part = path.partition(".")
    value = inputs[name]
    if isinstance(value, Panel):
        if (part or "close") not in value.fields:
            raise DataError(f"{name} has no field {part!r}.", hint=f"There are: {', '.join(value.fields)}.")
        return value.frame(part or "close").copy()
    if part:
        return value[part].copy() if hasattr(value[part], "copy") else value[part]
    return value.copy() if type(value).__name__ == "DataFrame" else json.loads(json.dumps(value))


def _artifact(value: Any) -> Any:
    """Return a value as the store takes it: a DataFrame with named columns, a JSON mapping, or text.

    Raises:
        TypeError, ValueError: If JSON cannot hold it.
    """
    import pandas as pd

    if isinstance(value, pd.Series):
        value = value.to_frame(str(value.name or "value"))
    if isinstance(value, pd.DataFrame):
        named = value.rename(columns=str)
        plain = isinstance(named.index, pd.RangeIndex) or all(name is not None for name in named.index.names)
        return named if plain else named.rename_axis("index")
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, str):
        return value
    plain = json.loads(json.dumps(value, allow_nan=False, default=_as_json))
    return plain if isinstance(plain, dict) else {"value": plain}


def _as_json(value: Any) -> Any:
    """Return a numpy value as plain Python, a date as text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
