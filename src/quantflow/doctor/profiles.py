"""What is wrong with profiles, of all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from quantflow.config.catalogue import Entry, load
from quantflow.config.data import FilesOptions
from quantflow.config.profile import Profile
from quantflow.config.sweeps.sweep import SWEEP, load_sweep
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


def examined(entry: Entry, workspace: Path) -> tuple[ConfigError | None, list[str]]:
    """Return what is wrong with a profile, meta profile or sweep, None when nothing; and what is odd with a sound one.

    Wrong is a value, a stage, its provider, or an exclude list that excludes nothing. Odd is a name, of it or of a
    sleeve, that matches no symbol of its own files: a sentence each. No other provider is asked without need, and files
    that cannot be read are the matter of another check.
    """
    odd: list[str] = []
    try:
        sweep = entry.kind == SWEEP
        loaded = load_sweep(entry.name, workspace=workspace) if sweep else load(entry, workspace)
        check_stages(loaded)
        for leaf in leaf_profiles(loaded):
            found = _unmatched(leaf)
            check_exclude(leaf.universe, found)
            odd += [f"{finding.symbol}: {finding.reason}" for finding in failed(found)]
    except ConfigError as error:
        return error, []
    return None, list(dict.fromkeys(odd))


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
        return unmatched(provider, profile.universe, named(provider, profile.data, spans, own, dated))
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
