"""Starting runs from a notebook: with live progress, and without running again what is done."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from quantflow.config.load import find_workspace, load_profile, vary_settings
from quantflow.config.profile import Profile
from quantflow.config.source import OVER
from quantflow.config.sweeps.sweep import AnyProfile, load_sweep
from quantflow.data.calendars import as_date
from quantflow.errors import ConfigError
from quantflow.flows.launch import execute
from quantflow.runs.as_of import resolve_as_of
from quantflow.runs.begin import begun_unless_done
from quantflow.runs.done import AlreadyDone
from quantflow.runs.kinds import Sweep
from quantflow.runs.run import Run
from quantflow.server.server import api_server
from quantflow.ui.notebook.runs import LoadedRun
from quantflow.ui.notebook.sweeps import SweepResult
from quantflow.ui.progress.show import progress


def select(
    profile: str,
    *,
    as_of: date | str | None = None,
    workspace: Path | None = None,
    quiet: bool = False,
    settings: Mapping[str, Any] | None = None,
    **keys: Any,
) -> LoadedRun:
    """Run a profile, from prices to weights; with live progress on a terminal or in a notebook.

    A complete run of the same settings, session, code and data is not run again, and stages that any run has computed
    come from the cache. Nothing is published.

    Example:
        >>> quantflow.select("demo", top_n=3)                              # doctest: +SKIP

    Args:
        profile: The profile's name.
        as_of: The last session to use, a date or ``"2022-12-28"``; None for the last completed one.
        workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.
        quiet: Whether no progress is shown.
        settings: Values that win over the profile's, by ``section.key``, as ``{"policy.top_n": 3}``.
        keys: The same by key alone, where only one section has it.

    Raises:
        ConfigError: If a setting or value is wrong, or a key is in several sections.
        QuantflowError: What ended the run; it can be resumed.
    """
    home = find_workspace(Path.cwd(), workspace)
    loaded = load_profile(profile, workspace=home)
    changed = {**(settings or {}), **{_section_of(loaded, key): value for key, value in keys.items()}}
    if changed:
        varied = vary_settings(profile, loaded.settings(), changed, home)
        loaded = varied.model_copy(update={"sources": {**loaded.sources, **dict.fromkeys(changed, OVER)}})
    return LoadedRun(_done(loaded, home, as_of, quiet=quiet))


def sweep(
    profile: str,
    over: Mapping[str, Sequence[Any]],
    *,
    as_of: date | str | None = None,
    workspace: Path | None = None,
    overrides: Sequence[str] = (),
    quiet: bool = False,
    **options: Any,
) -> SweepResult:
    """Try many variants of a profile; with live progress on a terminal or in a notebook.

    A complete sweep of the same settings, session, code and data is not run again.

    Args:
        profile: The profile's name.
        over: The values to try of each setting, as ``{"policy.top_n": [1, 2, 3]}``.
        as_of: The last session to use, a date or ``"2022-12-28"``; None for the last completed one.
        workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.
        overrides: ``section.key=value`` lines that change the profile for all trials.
        quiet: Whether no progress is shown.
        options: ``design``, ``trials``, ``seed``, ``metric``, ``nested``: as in ``[sweep.NAME]``.

    Raises:
        ConfigError: If a setting or value is wrong.
        QuantflowError: What ended the sweep; it can be resumed.
    """
    home = find_workspace(Path.cwd(), workspace)
    given = {"profile": profile, "over": {name: list(values) for name, values in over.items()}, **options}
    run = _done(load_sweep(None, workspace=home, given=given, overrides=overrides), home, as_of, quiet=quiet)
    assert isinstance(run, Sweep)
    return SweepResult(run)


def _done(loaded: AnyProfile, home: Path, as_of: date | str | None, *, quiet: bool) -> Run:
    with begun_unless_done(loaded, home, resolve_as_of(loaded, as_date(as_of))) as found:
        if isinstance(found, AlreadyDone):
            return found.run
        with api_server(home) as server, progress(found, "none" if quiet else _mode()) as listener:
            return execute(found, server, listener=listener)


def _mode() -> str:
    return "live" if sys.stderr.isatty() or "ipykernel" in sys.modules else "lines"


def _section_of(profile: Profile, key: str) -> str:
    """Return the setting that a key alone names."""
    sections = [name for name, table in profile.settings().items() if isinstance(table, dict) and key in table]
    if not sections:
        raise ConfigError(f"No section has a key {key!r}.", hint=f"quantflow profiles show {profile.name}")
    if len(sections) > 1:
        named = ", ".join(f"{section}.{key}" for section in sections)
        raise ConfigError(f"Several sections have a key {key!r}: {named}.", hint='settings={"section.key": value}')
    return f"{sections[0]}.{key}"
