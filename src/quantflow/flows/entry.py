"""The run that a call of a flow names: created where it is missing, continued where the arguments fit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from quantflow.config.load import find_workspace, load_meta, load_profile, override_settings
from quantflow.config.sweeps.sweep import SWEEP as SWEPT
from quantflow.config.sweeps.sweep import AnyProfile, load_sweep
from quantflow.errors import ConfigError
from quantflow.flows.worker import working_on
from quantflow.runs.as_of import resolve_as_of
from quantflow.runs.begin import begun, taken_up
from quantflow.runs.kinds import Meta, Sweep, open_run
from quantflow.runs.lock import is_owned_here
from quantflow.runs.record import RunRecord
from quantflow.runs.run import Run
from quantflow.runs.sleeves import config_hash

SELECTION, META, SWEEP = "selection", "meta", "sweep"


@contextmanager
def at_flow(kind: str, profile: str, run_id: str | None, workspace: str | None) -> Iterator[Run]:
    """Own the run of a flow until the block ends.

    Started by quantflow, the run is owned already. Called by itself, a flow does what quantflow would have done
    around it: it creates the run if it is missing, takes its lock, and records how it ended.

    Raises:
        ConfigError, LockedError: As ``entered``.
    """
    home = find_workspace(Path.cwd(), Path(workspace) if workspace else None)
    if run_id is not None and is_owned_here(RunRecord(home, run_id).folder):
        yield open_run(home, run_id)
        return
    with entered(kind, profile, run_id, home) as record, working_on(record), _one_server():
        yield record


@contextmanager
def _one_server() -> Iterator[None]:
    """Let worker processes use the API server of this flow run, also a temporary one that Prefect started for it."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with get_client(sync_client=True) as client, temporary_settings({PREFECT_API_URL: str(client.api_url)}):
        yield


@contextmanager
def entered(
    kind: str,
    profile: str,
    run_id: str | None,
    home: Path,
    as_of: date | None = None,
    overrides: Sequence[str] = (),
) -> Iterator[Run]:
    """Own the run that these arguments name until the block ends; create it if it is missing.

    Args:
        kind: ``selection``, ``meta`` or ``sweep``.
        profile: Name of the profile or meta profile; of a new sweep, the sweep's.
        run_id: The run's id; None for a new run with a generated one.
        home: The workspace.
        as_of: The last session to use; None for the last completed one, or for the run's own.
        overrides: ``section.key=value`` lines; none for the run's own settings.

    Raises:
        ConfigError: If the run exists and an argument contradicts it.
        LockedError: If a live process works on the run.
    """
    if run_id is not None and RunRecord(home, run_id).exists:
        with taken_up(RunRecord(home, run_id)) as record:
            refuse_contradictions(record, kind, profile, as_of, overrides)
            yield record
        return
    loaded = _loaded(kind, profile, home, overrides)
    with begun(loaded, home, resolve_as_of(loaded, as_of), run_id) as record:
        yield record


def _loaded(kind: str, name: str, home: Path, overrides: Sequence[str]) -> AnyProfile:
    if kind == SWEEP:
        return load_sweep(name, workspace=home, overrides=overrides)
    load = load_meta if kind == META else load_profile
    return load(name, workspace=home, overrides=overrides)


def refuse_contradictions(
    record: Run, kind: str, profile: str, as_of: date | None = None, overrides: Sequence[str] = ()
) -> None:
    """Compare a call's arguments with the run that has its id.

    Raises:
        ConfigError: Naming the first argument that contradicts the run.
    """
    hint = f"Choose another run_id, or continue it as it is: quantflow resume {record.id}"
    if record.header.kind != kind:
        raise ConfigError(f"Run {record.id} is a {record.header.kind} run, not a {kind} run.", hint=hint)
    known = (record.profile, record.config.name) if isinstance(record, Sweep) else (record.profile,)
    if profile not in known:
        raise ConfigError(f"Run {record.id} is of profile {record.profile!r}, not of {profile!r}.", hint=hint)
    if as_of is not None and record.as_of != as_of:
        raise ConfigError(f"Run {record.id} is as of {record.as_of}, not {as_of}.", hint=hint)
    if changed := _changed(record, overrides) if overrides else []:
        raise ConfigError(f"Run {record.id} has other settings than these overrides: {', '.join(changed)}.", hint=hint)


def _changed(record: Run, overrides: Sequence[str]) -> list[str]:
    """Return the settings of a run, or the sleeves of a meta run, that differ from what *overrides* asks for."""
    frozen = {name: section for name, section in record.header.settings.items() if name != SWEPT}
    if not isinstance(record, Meta):
        wanted = override_settings(record.profile, frozen, overrides).settings()
        return [
            f"{name}.{key}" for name, section in wanted.items() for key in section if section[key] != frozen[name][key]
        ]
    meta = load_meta(record.profile, workspace=record.workspace, overrides=overrides)
    own = [f"meta.{key}" for key, value in meta.settings().items() if value != frozen.get(key)]
    hashes = {sleeve.name: sleeve.link.config_hash for sleeve in record.sleeves if not sleeve.link.pinned}
    wanted_hashes = {
        name: config_hash(sleeve.settings(), record.as_of.isoformat()) for name, sleeve in meta.resolved.items()
    }
    return own + [f"sleeve {name}" for name, found in hashes.items() if wanted_hashes.get(name) != found]
