"""What a check examines, and what it reports."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from quantflow.config.catalogue import Entry, entries, load
from quantflow.config.profile import MetaProfile, Profile
from quantflow.errors import ConfigError
from quantflow.types import Json


class Result(StrEnum):
    """How a check ended: all is well; something is odd, but runs go on; or a run would not."""

    OK = "ok"
    WARN = "warn"
    BLOCKS = "blocks"


@dataclass(frozen=True)
class Finding:
    """What a check reports.

    Attributes:
        check: The check's name.
        result: How it ended.
        detail: What was found, one line.
        fix: The command or edit that fixes it; empty when nothing is to be done.
    """

    check: str
    result: Result
    detail: str
    fix: str = ""

    def json(self) -> Json:
        """Return the finding as ``doctor --json`` has it."""
        return {"check": self.check, "result": self.result.value, "detail": self.detail, "mend": self.fix}


def installed(package: str) -> str | None:
    """Return the version of an installed package; None when it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container's user that no file knows
        return Path("/nonexistent")


@dataclass(frozen=True)
class Place:
    """The machine and the workspace to check.

    Attributes:
        workspace: The folder of ``quantflow.toml``.
        environ: The environment variables.
        home: The user's home folder.
        now: What time it is.
        python: Python's version.
        version_of: The version of an installed package, None when it is not there.
        pip: The command that installs packages.
    """

    workspace: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=_home)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    python: str = field(default_factory=platform.python_version)
    version_of: Callable[[str], str | None] = installed
    pip: str = f"{sys.executable} -m pip install"

    @cached_property
    def profiles(self) -> tuple[Profile | MetaProfile, ...]:
        """The profiles and meta profiles of ``quantflow.toml`` that load; the demo where it has none."""

        def loaded(entry: Entry) -> Profile | MetaProfile | None:
            try:
                return load(entry, self.workspace)
            except ConfigError:
                return None  # the check of profiles reports it

        try:
            every = entries(self.workspace)
        except ConfigError:
            return ()
        own = [entry for entry in every if entry.source != "built in"]
        chosen = own or [entry for entry in every if entry.name == "demo"]
        return tuple(found for entry in chosen if (found := loaded(entry)) is not None)

    @property
    def leaves(self) -> tuple[Profile, ...]:
        """The profiles among them."""
        return tuple(profile for profile in self.profiles if isinstance(profile, Profile))


Check = Callable[[Place], Iterable[Finding]]
