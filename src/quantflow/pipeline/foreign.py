"""Stages of other frameworks: a class with ``execute(context)`` on a context of its own, wrapped and not rewritten."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ValidationError, create_model

from quantflow.data.panel import Panel
from quantflow.data.tables import TABLES
from quantflow.errors import (
    DataError,
    DataUnavailableError,
    QuantflowError,
    StageError,
    StageUnavailableError,
    refused_by_machine,
    said,
)
from quantflow.pipeline.foreign_check import RETURNS, accepted, check_declared, check_profile
from quantflow.pipeline.foreign_values import artifact_of, by_alias, plain_name, value_of
from quantflow.pipeline.stage import (
    BasePipelineStage,
    Inputs,
    Kind,
    Outputs,
    SelectionContext,
    StageConfig,
    Summary,
    running,
)
from quantflow.types import Settings

RUN_ID = "run_id"
"""The field of a context that is given the run's id. It is a label: no part of a cached result's key."""

OF_RETURNS: tuple[str, ...] = ("returns", "returns_df")
"""Fields of a context that are given returns where it takes prices, and declares nothing else for them."""

_OF_THE_RUN: Mapping[str, Any] = {"as_of": (date, ...), "profile": (str, "")}
"""Fields of ``Config`` that a context's field of that name brings with it, so that they are part of the key."""


class ForeignStage(BasePipelineStage[StageConfig]):
    """Runs a foreign stage: fills its context from artifacts and settings, calls it, takes artifacts out again.

    The declaration is all there is to write:

        class Trend(ForeignStage):
            id, kind = "trend", Kind.COMPUTE
            foreign, context = TheirTrendStage, TheirContext
            takes = {"closes": "prices", "volumes": "prices.volume"}
            gives = {"trend": "trend"}

    A context field is given a copy of the artifact: of prices the closes, or the field after the dot, sessions by
    symbols (``prices.returns`` are simple returns); of ``tables`` the rows of the table after the dot. Lists of
    dataclasses and of pydantic models are stored as tables and come back as they were. A field of the context that is
    called like one of ``Config`` is given that section as a dict; ``run_id``, ``profile`` and ``as_of`` are filled
    where the context has them, and ``returns`` or ``returns_df`` where it takes prices. Nothing is pickled. A
    wrapper that overrides ``run`` to make more of the result names what it needs and makes besides in ``needs`` and
    ``makes``.
    """

    foreign: ClassVar[type]
    """The class; its ``execute`` returns a context, or None if it changed the given."""
    context: ClassVar[type[BaseModel]]
    takes: ClassVar[Mapping[str, str]] = {}
    """Field of the context to the artifact that it is filled from."""
    gives: ClassVar[Mapping[str, str]]
    """Field of the context to the artifact that is made of it."""
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Field of ``takes`` to the columns that its table must have: checked with the profile, and before the call."""
    arguments: ClassVar[str] = ""
    """The section of ``Config`` whose keys are arguments of the class's constructor; empty to make it without."""
    transient: ClassVar[tuple[type[Exception], ...]] = (ConnectionError, TimeoutError)
    """Errors after which another try may go better; only a network stage is tried again."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        taken = [path.partition(".")[0] for path in cls.takes.values()]
        cls.needs = tuple(dict.fromkeys((*taken, *vars(cls).get("needs", ()))))
        cls.makes = tuple(dict.fromkeys((*getattr(cls, "gives", {}).values(), *vars(cls).get("makes", ()))))
        fields = getattr(getattr(cls, "context", None), "model_fields", {})
        if more := {
            name: kind
            for name, kind in _OF_THE_RUN.items()
            if name in fields and name not in {**cls.Config.model_fields, **cls.takes}
        }:
            cls.Config = create_model(cls.Config.__name__, __base__=cls.Config, __module__=cls.__module__, **more)
            cls.Config.__qualname__ = f"{cls.__qualname__}.Config"  # where pickle finds it

    def modules(self) -> frozenset[str]:
        """Return the modules of the wrapper, of the foreign class and of its context."""
        return super().modules() | {self.foreign.__module__, self.context.__module__}

    def check(self, settings: Settings, custom: Collection[str] = ()) -> None:
        """Check that the context and the constructor can be filled, and that the profile has what is taken.

        Raises:
            ConfigError: Naming what is missing.
        """
        check_declared(self)
        check_profile(self, settings, custom)

    def filled(self) -> frozenset[str]:
        """Return the fields of the context that are given something."""
        own = {RUN_ID, *self._returns()} & self.context.model_fields.keys()
        return frozenset({*self.takes, *self.Config.model_fields, *own})

    def execute(self, context: SelectionContext) -> SelectionContext:
        """Run likewise; what the store refuses of a foreign stage's result is that stage's error.

        Raises:
            StageError: As ``run``; and if a result cannot be stored, or is dated after the as-of.
        """
        try:
            return super().execute(context)
        except DataError as error:
            raise self._error(error.message, error.hint) from error

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return what the foreign stage left in its context.

        Raises:
            StageUnavailableError: For one of the errors in ``transient``, in a network stage.
            StageError: If the context cannot be filled, has no such field afterwards, or the foreign stage fails.
            InfrastructureError: If the machine refuses memory or a file.
        """
        context = self._context(inputs, config)
        try:
            after = self.foreign(**self._arguments(config)).execute(context)
        except Exception as error:  # whatever a foreign stage raises
            raise self._raised(error) from error
        result = context if after is None else after
        return {artifact: self._taken(result, field) for field, artifact in self.gives.items()}

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the size of each table that was made."""
        frames = {name: value for name, value in outputs.items() if type(value).__name__ == "DataFrame"}
        return Summary(note=", ".join(f"{name} {len(table)} × {table.shape[1]}" for name, table in frames.items()))

    @property
    def called(self) -> str:
        """The name of the foreign class, with its module."""
        return f"{self.foreign.__module__}.{self.foreign.__qualname__}"

    def _returns(self) -> tuple[str, ...]:
        """Return the context's fields for returns that are filled without being declared."""
        prices = any(path.partition(".")[0] == "prices" for path in self.takes.values())
        declared = {*self.takes, *self.gives, *self.Config.model_fields}
        return tuple(name for name in OF_RETURNS if prices and name not in declared and name in self._fields)

    @property
    def _fields(self) -> Mapping[str, Any]:
        return {name: field.annotation for name, field in self.context.model_fields.items()}

    def _arguments(self, config: StageConfig) -> dict[str, Any]:
        return accepted(self.foreign, getattr(config, self.arguments).model_dump()) if self.arguments else {}

    def _context(self, inputs: Inputs, config: StageConfig) -> BaseModel:
        taken = {**dict.fromkeys(self._returns(), f"prices.{RETURNS}"), **self.takes}
        values = {field: self._given(inputs, path, field) for field, path in taken.items()}
        sections = {**config.model_dump(mode="json"), RUN_ID: running.get()}
        values |= {name: value for name, value in sections.items() if name in self._fields and name not in values}
        if "as_of" in values and "as_of" not in self.takes:
            values["as_of"] = _as_declared(values["as_of"], self._fields["as_of"])
        try:
            return self.context(**by_alias(self.context, values))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise self._error(
                f"{self.context.__name__} cannot be filled: {where}: {first['msg']}.",
                "Name the field in takes, or give Config a section of that name.",
            ) from error

    def _given(self, inputs: Inputs, path: str, field: str) -> Any:
        name, _, part = path.partition(".")
        found = self._part(inputs[name], name, part)
        if missing := [column for column in self.columns.get(field, ()) if column not in found]:
            raise self._error(f"{path} has no column {missing[0]!r}.", f"There are: {', '.join(map(str, found))}.")
        try:
            return value_of(found, self._fields.get(field, Any))
        except (TypeError, ValueError) as error:
            raise self._error(f"{path} is not what the field {field!r} holds: {error}.", None) from error

    def _part(self, value: Any, name: str, part: str) -> Any:
        """Return a part of an artifact: a field of prices, the rows of a table, a column or key; else all of it."""
        if isinstance(value, Panel):
            if part == RETURNS:
                return value.frame().pct_change(fill_method=None)
            if (part or "close") not in value.fields:
                raise self._error(f"{name} has no field {part!r}.", f"There are: {', '.join(value.fields)}.")
            return value.frame(part or "close")
        if name == TABLES and part:
            own = {column: column.partition(".")[2] for column in value if column.partition(".")[0] == part}
            return value[["date", "symbol", *own]].rename(columns=own).dropna(subset=list(own.values()), how="all")
        if part and part not in value:
            raise self._error(f"{name} has no {part!r}.", f"There are: {', '.join(map(str, value))}.")
        return value[part] if part else value

    def _taken(self, context: Any, field: str) -> Any:
        value = getattr(context, field, None)
        if value is None:
            raise self._error(
                f"{self.called} left nothing in the field {field!r} of its context.", "Look at the names in gives."
            )
        try:
            return artifact_of(value, self._fields.get(field, Any))
        except (TypeError, ValueError) as error:
            kind = plain_name(type(value))
            raise self._error(
                f"the field {field!r} holds a {kind}, which cannot be an artifact: {error}.",
                "Tables become Parquet and plain values JSON; nothing is pickled.",
            ) from error

    def _raised(self, error: Exception) -> QuantflowError:
        """Return an error of the foreign stage as this one's; what the machine refused stays what it is."""
        if (refused := refused_by_machine(error)) is not None:
            return refused
        if isinstance(error, QuantflowError) and not isinstance(error, DataError | DataUnavailableError):
            return error
        text, hint = f"{self.called} failed: {type(error).__name__}: {said(error)}", getattr(error, "hint", None)
        if self.kind is Kind.NETWORK and isinstance(error, (*self.transient, DataUnavailableError)):
            return StageUnavailableError(f"Stage {self.id!r}: {text}", hint=hint)
        return self._error(text, hint)

    def _error(self, message: str, hint: str | None) -> StageError:
        return StageError(f"Stage {self.id!r}: {message}", hint=hint)


def _as_declared(day: Any, annotation: Any) -> Any:
    """Return the as-of as the field wants it: pydantic makes dates of text, but no pandas Timestamp."""
    import pandas as pd

    return pd.Timestamp(day) if pd.Timestamp in (annotation, *get_args(annotation)) else day
