"""What is wrong with profiles, of all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from quantflow.config.catalogue import Entry, load
from quantflow.config.data import FilesOptions
from quantflow.config.profile import Profile
from quantflow.data.providers import open_provider
from quantflow.data.providers.files.locations import is_url
from quantflow.data.quality.contracts import Finding, failed
from quantflow.data.quality.costs import read_costs
from quantflow.data.quality.roster import read_members
from quantflow.data.quality.unmatched import check_exclude, named, unmatched
from quantflow.data.tables import read_table
from quantflow.errors import ConfigError, QuantflowError
from quantflow.runs.as_of import leaf_profiles
from quantflow.runs.create import check_stages


def problem_of(entry: Entry, workspace: Path) -> ConfigError | None:
    """Return what is wrong with a profile or meta profile: a value, its stages or its provider; None when nothing."""
    try:
        loaded = load(entry, workspace)
        check_stages(loaded)
        for leaf in leaf_profiles(loaded):
            check_exclude(leaf.universe, _unmatched(leaf))
    except ConfigError as error:
        return error
    return None


def unmatched_names(entry: Entry, workspace: Path) -> list[str]:
    """Return a sentence for each name of a sound profile, or of its sleeves, that matches no symbol of its own files.

    No other provider is asked without need, and files that cannot be read are the matter of another check.
    """
    found = [finding for leaf in leaf_profiles(load(entry, workspace)) for finding in failed(_unmatched(leaf))]
    return list(dict.fromkeys(f"{finding.symbol}: {finding.reason}" for finding in found))


def _unmatched(profile: Profile) -> list[Finding]:
    options, costs, members = profile.data.options, profile.validation.costs, profile.universe.members
    if not isinstance(options, FilesOptions):
        return []
    tables = profile.tables.by_name
    paths = [options.path, options.instruments, costs, members, *(table.path for table in tables.values())]
    if any(is_url(path) for path in paths if path):
        return []
    try:
        provider = open_provider(profile.data)
        spans, own = read_members(members) if members else None, read_costs(costs) if costs else None
        dated = {name: read_table(name, table, date.max) for name, table in tables.items()}
        files = named(provider, spans, own, dated)
        return unmatched(provider, profile.universe, files)
    except QuantflowError:
        return []


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
