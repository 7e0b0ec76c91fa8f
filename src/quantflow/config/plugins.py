"""Stages of other packages, as far as the configuration goes: how they are found, and which sections they read."""

from __future__ import annotations

import difflib
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import Field, create_model

from quantflow.config.data import data_model, options_of
from quantflow.config.extensions import STAGES, registered
from quantflow.config.profile import SECTIONS, Profile
from quantflow.config.sections import Section
from quantflow.errors import ConfigError, unknown_name
from quantflow.types import Settings

OF_THE_RUN = ("as_of", "profile")
"""Fields of a stage's config that are not sections: the date and the profile's name."""

RESERVED = (*OF_THE_RUN, "extends", "name", "run", "run_id", "sources", "stages")
"""What a section cannot be called: these words mean something else in a profile or in a stage's config."""


def importable(workspace: Path) -> None:
    """Let modules that lie beside ``quantflow.toml`` be imported, after all that is installed."""
    if str(workspace) not in sys.path:
        sys.path.append(str(workspace))


def find_stage(spec: str) -> Any:
    """Return the stage that *spec* names: ``package.module:Class``, or a name that a package registers.

    Raises:
        ConfigError: If there is none (naming the nearest), it cannot be imported or made, or it has no ``Config``.
    """
    if ":" in spec:
        return _made(spec, _attribute(spec, spec))
    points = registered(STAGES)
    if spec not in points:
        unknown = unknown_name("stage", spec, points)
        raise ConfigError(
            f"No installed package registers a stage named {spec!r}.",
            hint=f"{unknown.hint} A class is named by package.module:Class.",
        )
    called = f"{spec} ({points[spec].value})"
    return _made(called, _attribute(points[spec].value, called))


def _attribute(path: str, called: str) -> Any:
    name, _, attribute = path.partition(":")
    module = _module(name, called)
    try:
        found = module
        for part in attribute.split("."):
            found = getattr(found, part)
    except AttributeError:
        classes = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == name]
        unknown = unknown_name("class", attribute, classes)
        raise ConfigError(f"Stage {called}: no class {attribute!r} in {name}.", hint=unknown.hint) from None
    return found


def _module(name: str, called: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"Stage {called}: there is no module {error.name!r}.", hint=_nearest(error.name)
            ) from None
        raise ConfigError(f"Stage {called}: {name} needs a module that is not there: {error.name!r}.") from error
    except Exception as error:  # whatever a foreign module raises while it is imported
        what = f"{type(error).__name__}: {error}"
        raise ConfigError(f"Stage {called} cannot be imported: {what}.", hint=f"Fix {name}.") from error


def _nearest(module: str) -> str:
    parent, _, last = module.rpartition(".")
    beside = [info.name for info in pkgutil.iter_modules(import_module(parent).__path__ if parent else None)]
    close = difflib.get_close_matches(last, beside, n=1, cutoff=0.6)
    where = "Install its package, or put the module beside quantflow.toml."
    return f"Did you mean {f'{parent}.' if parent else ''}{close[0]}? {where}" if close else where


def _made(called: str, found: Any) -> Any:
    if not isinstance(found, type) or not hasattr(getattr(found, "Config", None), "model_fields"):
        raise ConfigError(
            f"{called} is not a stage.",
            hint="A stage subclasses quantflow.BasePipelineStage; a class of another framework is wrapped by "
            "quantflow.ForeignStage.",
        )
    try:
        return found()
    except TypeError as error:
        raise ConfigError(
            f"Stage {called} cannot be made: {error}.", hint="A stage implements run, and is made without arguments."
        ) from error


def own_sections(specs: Iterable[str]) -> dict[str, type[Section]]:
    """Return the sections that the stages *specs* bring with them, by name.

    A stage's ``Config`` has a field per section that it reads; those that no profile has are its own.

    Raises:
        ConfigError: If a stage cannot be found, a section is no ``Section`` or is called like something else, or two
            stages mean different sections by one name.
    """
    found: dict[str, type[Section]] = {}
    for spec in specs:
        for name, field in find_stage(spec).Config.model_fields.items():
            if name in SECTIONS or name in OF_THE_RUN:
                continue
            model = field.annotation
            if not (isinstance(model, type) and issubclass(model, Section)):
                raise ConfigError(
                    f"Stage {spec}: the field {name!r} of its Config is not a section.",
                    hint="Annotate it with a subclass of quantflow.Section whose fields are the keys.",
                )
            if name in RESERVED or not name.isidentifier() or name != name.lower():
                raise ConfigError(f"Stage {spec}: a section cannot be called {name!r}.", hint="Use another name.")
            if found.setdefault(name, model) is not model:
                raise ConfigError(f"Stage {spec}: another stage's section is called {name!r} too.")
    return found


def profile_model(specs: Sequence[str], provider: object) -> type[Profile]:
    """Return the model of a profile that takes up the stages *specs* and reads from *provider*.

    The stages' sections are sections like all others, and the provider's options are keys of ``data``.

    Raises:
        ConfigError: If a stage or the provider cannot be found; as ``own_sections``.
    """
    options = options_of(provider) if isinstance(provider, str) else Section
    return _profile_model(tuple(own_sections(specs).items()), options)


@lru_cache
def _profile_model(own: tuple[tuple[str, type[Section]], ...], options: type[Section]) -> type[Profile]:
    data = data_model(options)
    sections: dict[str, Any] = {name: (model, ...) for name, model in own}
    return create_model("Profile", __base__=Profile, data=(data, Field(default_factory=data)), **sections)


def specs_in(stages: Any) -> tuple[str, ...]:
    """Return the texts in a ``stages`` setting; what is wrong in it is left to the validation of the profile."""
    return tuple(spec for spec in stages if isinstance(spec, str)) if isinstance(stages, list | tuple) else ()


def specs_of(settings: Settings) -> tuple[str, ...]:
    """Return the stages of other packages that a profile's settings name; a record of old may have none."""
    return tuple(settings.get("pipeline", {}).get("stages", ()))
