"""The entry point groups by which installed packages extend quantflow."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from quantflow.errors import ConfigError

STAGES = "quantflow.stages"
PROVIDERS = "quantflow.providers"
SCORERS = "quantflow.scorers"
ALLOCATIONS = "quantflow.allocations"


def registered(group: str) -> dict[str, EntryPoint]:
    """Return what installed packages register in a group, by name."""
    return {point.name: point for point in sorted(entry_points(group=group))}


def loaded(point: EntryPoint, noun: str) -> Any:
    """Return what an entry point names; *noun* says what that is, for the error.

    Raises:
        ConfigError: If it cannot be imported.
    """
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{noun} {point.name!r} ({point.value}) cannot be imported: {error}.",
            hint="Install or repair the package that registers it.",
        ) from error


def modules_of(group: str) -> frozenset[str]:
    """Return the modules that installed packages register in a group: their code is part of a stage that uses them."""
    return frozenset(point.module for point in registered(group).values())
