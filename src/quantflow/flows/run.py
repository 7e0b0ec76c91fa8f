"""The calls that start runs from a program: ``run_selection_flow`` and ``run_meta_flow``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from quantflow.config.load import find_workspace
from quantflow.data.calendars import as_date
from quantflow.flows.entry import META, SELECTION, entered
from quantflow.flows.launch import execute
from quantflow.runs.run import Run
from quantflow.server.server import api_server


def run_selection_flow(
    profile: str,
    run_id: str | None = None,
    *,
    as_of: date | str | None = None,
    workspace: Path | None = None,
    overrides: Sequence[str] = (),
) -> Run:
    """Run a profile as a Prefect flow, or continue the run of that id.

    Args:
        profile: The profile's name.
        run_id: The run's id; generated when None.
        as_of: The last session to use, a date or ``"2022-12-28"``; None for the last completed one, or for that of the
            run that exists.
        workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.
        overrides: ``section.key=value`` lines that win over the profile.

    Returns:
        What the run did.

    Raises:
        ConfigError: If the run exists and an argument contradicts it, or the date is not one.
        QuantflowError: What ended the run; it can be resumed.
    """
    return _run(SELECTION, profile, run_id, as_date(as_of), workspace, overrides)


def run_meta_flow(
    meta_profile: str,
    run_id: str | None = None,
    *,
    as_of: date | str | None = None,
    workspace: Path | None = None,
    overrides: Sequence[str] = (),
) -> Run:
    """Run a meta profile as a Prefect flow, or continue the run of that id.

    Args:
        meta_profile: The meta profile's name.
        run_id: The run's id; generated when None.
        as_of: The last session to use, a date or ``"2022-12-28"``; None for the last one that all sleeves have
            completed, or for that of the run that exists.
        workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.
        overrides: ``meta.key=value`` or ``section.key=value`` lines.

    Returns:
        What the run did.

    Raises:
        ConfigError: If the run exists and an argument contradicts it.
        QuantflowError: What ended the run; it can be resumed.
    """
    return _run(META, meta_profile, run_id, as_date(as_of), workspace, overrides)


def _run(
    kind: str, profile: str, run_id: str | None, as_of: date | None, workspace: Path | None, overrides: Sequence[str]
) -> Run:
    home = find_workspace(Path.cwd(), workspace)
    with entered(kind, profile, run_id, home, as_of, overrides) as run, api_server(home) as server:
        return execute(run, server)
