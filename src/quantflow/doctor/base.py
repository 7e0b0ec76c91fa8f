"""What a check looks at, and what it says."""

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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantflow.config.profile import MetaProfile, Profile


class Result(StrEnum):
    """How a check ended: all is well; something is odd, but runs go on; or a run would not."""

    OK = "ok"
    WARN = "warn"
    BLOCKS = "blocks"


@dataclass(frozen=True)
class Finding:
    """What a check says.

    Attributes:
        check: The check's name.
        result: How it ended.
        detail: What was found, one line.
        mend: The command or edit that mends it; empty when nothing is to be done.
    """

    check: str
    result: Result
    detail: str
    mend: str = ""


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
    """The machine and the workspace that are looked at.

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
        from quantflow.config.catalogue import Entry, entries, load
        from quantflow.errors import ConfigError

        def loaded(entry: Entry) -> Profile | MetaProfile | None:
            try:
                return load(entry, self.workspace)
            except ConfigError:
                return None  # that is for the check of profiles to tell

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
        from quantflow.config.profile import Profile

        return tuple(profile for profile in self.profiles if isinstance(profile, Profile))


Check = Callable[[Place], Iterable[Finding]]
