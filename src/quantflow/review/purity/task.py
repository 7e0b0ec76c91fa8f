"""What a process of the purity check is asked to do, and what it answers; both as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from quantflow.data.store import ArtifactRef
from quantflow.types import Json, Settings

Refs = Mapping[str, ArtifactRef]
"""Stored artifacts by name."""


@dataclass(frozen=True)
class Day:
    """A date at which stages run.

    Attributes:
        as_of: The date, ISO.
        stages: The ids of the stages that run, in order.
        given: What is there before the first of them.
        inputs: By stage: what it gets, whatever the others make here; without one, what they make.
    """

    as_of: str
    stages: tuple[str, ...]
    given: Refs
    inputs: Mapping[str, Refs] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Day:
        """Return what ``asdict`` gave."""
        inputs = {stage: _refs(refs) for stage, refs in data["inputs"].items()}
        return cls(data["as_of"], tuple(data["stages"]), _refs(data["given"]), inputs)


@dataclass(frozen=True)
class Task:
    """What one process does.

    Attributes:
        workspace: Where modules lie that are not installed.
        settings: The sections that the stages read.
        store: Where the artifacts lie.
        days: One after the other.
    """

    workspace: str
    settings: Settings
    store: str
    days: tuple[Day, ...]

    def json(self) -> Json:
        """Return the task as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """Return what ``json`` gave."""
        return cls(data["workspace"], data["settings"], data["store"], tuple(map(Day.from_json, data["days"])))


@dataclass(frozen=True)
class Done:
    """What one stage did on one day.

    Attributes:
        inputs: What it was given.
        outputs: What it made; empty when it raised an error.
        error: That error, in words.
        read: Undeclared variables (``$NAME``), files and addresses that its own code read.
    """

    inputs: Refs
    outputs: Refs
    error: str = ""
    read: tuple[str, ...] = ()

    def json(self) -> Json:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Done:
        """Return what ``json`` gave."""
        return cls(_refs(data["inputs"]), _refs(data["outputs"]), data["error"], tuple(data["read"]))


def _refs(data: Mapping[str, Any]) -> Refs:
    return {name: ArtifactRef(**ref) for name, ref in data.items()}
