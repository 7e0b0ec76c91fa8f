"""What a stage is, in words and values: for listings."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticUndefined, to_jsonable_python

from quantflow.config.extensions import STAGES, registered
from quantflow.config.sections import Section
from quantflow.errors import ConfigError
from quantflow.pipeline.registry import ASKED, META, SELECTION, StageRegistry, plug_in
from quantflow.pipeline.stage import Stage


@dataclass(frozen=True)
class Key:
    """One setting that a stage reads: its name, default, whether it has none, and what it means."""

    name: str
    default: Any
    required: bool
    meaning: str


@dataclass(frozen=True)
class Described:
    """A stage as a listing shows it.

    Attributes:
        id: Its id.
        kind: Its kind; empty when it does not load.
        needs: Artifacts that it reads.
        makes: Artifacts that it makes.
        package: The package that it comes from.
        registered: The name under which a package registers it; empty for others.
        about: Its docstring.
        problem: Why it does not load; empty when it does.
    """

    id: str
    kind: str = ""
    needs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    package: str = ""
    registered: str = ""
    about: str = ""
    problem: str = ""

    def json(self) -> dict[str, Any]:
        """Return the stage as JSON values."""
        return {**vars(self), "needs": list(self.needs), "makes": list(self.makes)}


def describe(stage: Stage, registered: str = "") -> Described:
    """Return a stage as a listing shows it."""
    package = type(stage).__module__.partition(".")[0]
    about = inspect.cleandoc(type(stage).__doc__ or "")
    return Described(stage.id, stage.kind.value, stage.needs, stage.makes, package, registered, about)


def known_stages() -> list[Described]:
    """Return the built-in stages in the pipelines' order, then those that packages register, also broken ones."""
    found = [describe(StageRegistry.get(name)) for name in (*SELECTION, *ASKED, *META)]
    for name, point in registered(STAGES).items():
        try:
            found.append(describe(plug_in(name), name))
        except ConfigError as error:
            package = point.value.partition(":")[0].partition(".")[0]
            found.append(Described(name, package=package, registered=name, problem=error.message))
    return found


def keys_of(stage: Stage) -> list[Key]:
    """Return the settings that a stage reads, by section."""
    found: list[Key] = []
    for section, field in stage.Config.model_fields.items():
        model = field.annotation
        if not (isinstance(model, type) and issubclass(model, Section)):
            found.append(Key(section, None, True, field.description or "given by the run"))
            continue
        entry = getattr(model, "entry", None)  # of a section with a table per name
        section, model = (f"{section}.TABLE", entry) if entry else (section, model)
        for name, inner in model.model_fields.items():
            default = inner.get_default(call_default_factory=True, validated_data={})
            required = default is PydanticUndefined
            value = None if required else to_jsonable_python(default)
            found.append(Key(f"{section}.{name}", value, required, inner.description or ""))
    return found


def described(stages: Sequence[Stage]) -> list[Described]:
    """Return the stages of a profile as a listing shows them, in order."""
    return [describe(stage) for stage in stages]
