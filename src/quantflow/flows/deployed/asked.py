"""What a flow run of a deployment asks for, and the run that is its own, however often Prefect starts it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import UUID

from quantflow.config.sweeps.sweep import AnyProfile
from quantflow.flows.entry import entered
from quantflow.runs.as_of import resolve_as_of
from quantflow.runs.begin import begun, begun_unless_done, taken_up
from quantflow.runs.done import AlreadyDone
from quantflow.runs.header import ORDINARY, RunOptions
from quantflow.runs.record import RunRecord, check_run_id
from quantflow.runs.run import Run

MARK_DIGITS = 8


@dataclass(frozen=True)
class Asked:
    """The parameters of a flow run.

    Attributes:
        kind: ``selection`` or ``meta``.
        profile: The profile or meta profile.
        as_of: The last session to use; None for the last completed one.
        overrides: ``section.key=value`` lines.
        run_id: The run to continue, or the id of a new one; None for the flow run's own.
        options: Whether a portfolio is decided where none is due, and whether a complete run is run again.
        strict: Whether a degraded result is a failure.
    """

    kind: str
    profile: str
    as_of: date | None = None
    overrides: Sequence[str] = ()
    run_id: str | None = None
    options: RunOptions = ORDINARY
    strict: bool = False


def mark_of(flow_run: UUID | str) -> str:
    """Return the end of the ids of the runs that a flow run makes: its own id's last digits, which are random."""
    return UUID(str(flow_run)).hex[-MARK_DIGITS:]


def own_run(home: Path, profile: str, flow_run: UUID | str) -> RunRecord | None:
    """Return the run that a flow run made when it was started before; None the first time, and once it was removed."""
    end = f"-{profile}-{mark_of(flow_run)}"
    folders = (home / "runs").iterdir() if (home / "runs").is_dir() else ()
    found = (RunRecord(home, folder.name) for folder in folders if folder.name.endswith(end))
    return next((record for record in found if record.exists), None)


@contextmanager
def owned_run(asked: Asked, loaded: AnyProfile, home: Path, flow_run: UUID | str) -> Iterator[Run | AlreadyDone]:
    """Own the run of a flow run until the block ends: a new one, or the one that it made when it was started before.

    Args:
        asked: The parameters.
        loaded: The profile.
        home: The workspace.
        flow_run: The flow run's id in Prefect.

    Yields:
        The run; or the complete one that makes it unnecessary.

    Raises:
        ConfigError: If a run was named, and is of something else than the parameters say.
        LockedError: If a live process works on the run.
        DataError: If the prices are too old.
    """
    if asked.run_id and RunRecord(home, check_run_id(asked.run_id)).exists:
        with entered(asked.kind, asked.profile, asked.run_id, home, asked.as_of, asked.overrides) as run:
            yield _as_found(run)
    elif record := own_run(home, asked.profile, flow_run):
        with taken_up(record) as run:
            yield _as_found(run)
    else:
        as_of = resolve_as_of(loaded, asked.as_of)
        run_id = asked.run_id or f"{as_of.session:%Y%m%d}-{asked.profile}-{mark_of(flow_run)}"
        opened: AbstractContextManager[Run | AlreadyDone]
        if asked.run_id or asked.options.fresh:
            opened = begun(loaded, home, as_of, run_id, asked.options)
        else:
            opened = begun_unless_done(loaded, home, as_of, run_id, by_hand=asked.options.by_hand)
        with opened as found:
            yield found


def _as_found(run: Run) -> Run | AlreadyDone:
    return AlreadyDone(run) if run.state == "completed" else run
