"""What a wrapped stage and its profile have to agree on, found out before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from quantflow.config.data import TableConfig
from quantflow.data.providers.base import BAR_FIELDS
from quantflow.data.providers.files.locations import is_url
from quantflow.data.providers.files.tables import header
from quantflow.data.tables import TABLES
from quantflow.errors import ConfigError, DataError, DataUnavailableError, unknown_name
from quantflow.pipeline.contracts import TABLES_OF_SELECTION
from quantflow.types import Settings

if TYPE_CHECKING:
    from quantflow.pipeline.foreign import ForeignStage

_CLOSED = {name: table.names for name, table in TABLES_OF_SELECTION.items() if table.more is None}
"""The columns of the built-in tables that have no others."""

RETURNS = "returns"
"""The part of prices that is computed: simple returns."""


def check_declared(stage: ForeignStage) -> None:
    """Check what a wrapper declares against the foreign class and its context.

    Raises:
        ConfigError: If something is not declared, a field does not exist, or a required one is not filled.
    """
    for name in ("foreign", "context", "gives"):
        if not hasattr(stage, name):
            raise _wrong(stage, f"it declares no {name}", "ForeignStage's docstring shows what is declared.")
    if not callable(getattr(stage.foreign, "execute", None)):
        raise _wrong(stage, f"{stage.called} has no method execute", "Name the class whose execute(context) is called.")
    _check_fields(stage)
    _check_arguments(stage)


def check_profile(stage: ForeignStage, settings: Settings, custom: Collection[str]) -> None:
    """Check that a profile has what the stage takes: fields of prices, tables and their columns.

    Args:
        stage: The wrapped stage.
        settings: The profile's sections.
        custom: The artifacts that stages of other packages make: nothing is known of their columns.

    Raises:
        ConfigError: Naming what the profile does not have.
    """
    for field, path in stage.takes.items():
        artifact, _, part = path.partition(".")
        wanted = stage.columns.get(field, ())
        if artifact == TABLES and part:
            _check_table(stage, part, wanted, settings)
        elif artifact == "prices" and part and part not in (*BAR_FIELDS, RETURNS):
            raise _wrong(
                stage, f"prices have no field {part!r}", unknown_name("field", part, (*BAR_FIELDS, RETURNS)).hint or ""
            )
        elif wanted and artifact not in custom and artifact in _CLOSED:
            _check_columns(stage, f"The artifact {artifact!r}", wanted, _CLOSED[artifact])


def _check_fields(stage: ForeignStage) -> None:
    known, called = stage.context.model_fields, stage.context.__name__
    if stage.context.model_config.get("extra") != "allow":
        for name in (*stage.takes, *stage.gives):
            if name not in known:
                raise _wrong(stage, f"{called} has no field {name!r}", unknown_name("field", name, known).hint or "")
    filled = stage.filled()
    empty = [name for name, field in known.items() if field.is_required() and name not in filled]
    if empty:
        raise _wrong(
            stage,
            f"{called} requires {_listed(empty)}, which nothing fills",
            "Name the field in takes, or give Config a section of that name.",
        )
    for name in stage.columns:
        if name not in stage.takes:
            raise _wrong(stage, f"columns names {name!r}, which takes does not", "Its keys are those of takes.")


def _check_arguments(stage: ForeignStage) -> None:
    """Check that the section ``arguments`` has what the constructor requires, and nothing that it does not take."""
    taken = _parameters(stage.foreign)
    section = stage.Config.model_fields.get(stage.arguments) if stage.arguments else None
    if stage.arguments and section is None:
        raise _wrong(stage, f"Config has no section {stage.arguments!r}", "arguments names a field of Config.")
    given: set[str] = set(section.annotation.model_fields) if section and section.annotation else set()
    required = [name for name, each in taken.items() if each.kind not in _OPEN and each.default is each.empty]
    if missing := [name for name in required if name not in given]:
        raise _wrong(
            stage,
            f"{stage.called} is made with {_listed(missing)}, which nothing gives",
            "Give Config a section with such a key, and name the section in arguments.",
        )
    unknown = sorted(given - set(taken))
    if unknown and stage.arguments not in stage.context.model_fields and not _takes_any(taken):
        raise _wrong(
            stage,
            f"{stage.called} takes no argument {unknown[0]!r}",
            unknown_name("argument", unknown[0], taken).hint or "",
        )


_OPEN = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def _parameters(foreign: type) -> dict[str, inspect.Parameter]:
    if foreign.__init__ is object.__init__:  # type: ignore[misc]
        return {}
    return dict(inspect.signature(foreign).parameters)


def _takes_any(taken: dict[str, inspect.Parameter]) -> bool:
    return any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values())


def accepted(foreign: type, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of *values* that the constructor of a class takes."""
    taken = _parameters(foreign)
    return values if _takes_any(taken) else {name: value for name, value in values.items() if name in taken}


def _check_table(stage: ForeignStage, name: str, wanted: Iterable[str], settings: Settings) -> None:
    tables = settings.get("tables", {})
    if name not in tables:
        hint = f"Add [profiles.NAME.tables.{name}] with its path."
        raise _wrong(stage, f"it takes the table {name!r}, which the profile does not have", hint)
    config = TableConfig.model_validate(tables[name])
    if not wanted:
        return
    columns = config.columns
    if columns is None and not is_url(config.path):
        try:
            columns = tuple(column.strip() for column in header(config.path))
        except (DataError, DataUnavailableError) as error:
            raise ConfigError(f"tables.{name}: {error.message}", hint=error.hint) from error
    if columns is not None:
        _check_columns(stage, f"The table {name!r}", wanted, columns)


def _check_columns(stage: ForeignStage, what: str, wanted: Iterable[str], known: Iterable[str]) -> None:
    names = list(known)
    for column in wanted:
        if column not in names:
            hint = unknown_name("column", column, names).hint or ""
            raise ConfigError(f"{what} has no column {column!r}, which stage {stage.id!r} requires.", hint=hint)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _wrong(stage: ForeignStage, what: str, hint: str) -> ConfigError:
    name = f"{type(stage).__module__}:{type(stage).__qualname__}"
    return ConfigError(f"Stage {getattr(stage, 'id', '?')!r} ({name}): {what}.", hint=hint)
