"""What is wrong with profiles, of all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quantflow.config.catalogue import Entry, load
from quantflow.errors import ConfigError
from quantflow.runs.create import check_stages


def problem_of(entry: Entry, workspace: Path) -> ConfigError | None:
    """Return what is wrong with a profile or meta profile: a value, its stages or its provider; None when nothing."""
    try:
        check_stages(load(entry, workspace))
    except ConfigError as error:
        return error
    return None


def all_in_one(wrong: Sequence[tuple[Entry, ConfigError]], checked: int) -> ConfigError:
    """Return the error that lists every problem.

    Args:
        wrong: What is wrong with which.
        checked: How many were checked.
    """
    listed = "".join(
        f"\n  {entry.name}: {error.message}{f' {error.hint}' if error.hint else ''}" for entry, error in wrong
    )
    return ConfigError(f"{len(wrong)} of {checked} cannot be used:{listed}")
