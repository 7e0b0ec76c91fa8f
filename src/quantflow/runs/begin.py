"""A run and its lock: owned from before its first file until its starter is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

from quantflow.config.sweeps.sweep import AnyProfile
from quantflow.data.store import private_folder
from quantflow.errors import ConfigError
from quantflow.runs.as_of import AsOf, refuse_stale
from quantflow.runs.create import create_run, default_run_id
from quantflow.runs.done import AlreadyDone, find_done
from quantflow.runs.header import ORDINARY, RunOptions
from quantflow.runs.kinds import open_run
from quantflow.runs.lock import no_removal, owned
from quantflow.runs.record import RunRecord
from quantflow.runs.run import Run


@contextmanager
def begun_unless_done(
    profile: AnyProfile, workspace: Path, as_of: AsOf, run_id: str | None = None, *, by_hand: bool = False
) -> Iterator[Run | AlreadyDone]:
    """Yield a new run, as ``begun``; or the complete one that makes it unnecessary, which stays until the block ends.

    Raises:
        ConfigError, LockedError, DataError: As ``begun``.
    """
    refuse_stale(as_of, profile.name, workspace)
    with ExitStack() as choosing:
        choosing.enter_context(no_removal(workspace))
        if (done := find_done(profile, workspace, as_of.session, by_hand=by_hand)) is not None:
            yield AlreadyDone(done)
            return
        with begun(profile, workspace, as_of, run_id, RunOptions(by_hand=by_hand)) as run:
            choosing.close()
            yield run


@contextmanager
def standing(profile: AnyProfile, workspace: Path, as_of: AsOf, *, by_hand: bool = False) -> Iterator[Run | None]:
    """Yield the complete run that makes a new one unnecessary, if that is known at once; it stays until the block ends.

    Raises:
        DataError: If the prices are too old.
    """
    refuse_stale(as_of, profile.name, workspace)
    with no_removal(workspace):
        yield find_done(profile, workspace, as_of.session, by_hand=by_hand, at_once=True)


@contextmanager
def begun(
    profile: AnyProfile,
    workspace: Path,
    as_of: AsOf,
    run_id: str | None = None,
    options: RunOptions = ORDINARY,
) -> Iterator[Run]:
    """Create a run, or a meta run with its sleeves, and own it until the block ends.

    Publish within the block: until then nothing else keeps the run from being removed. The lock of a meta run
    covers its sleeves, each of which is owned by the worker that runs it.

    Args:
        profile: What to run.
        workspace: Where.
        as_of: The last session that the run may see, and how old the prices are.
        run_id: Its name; generated when None.
        options: How it differs from one that cron starts.

    Raises:
        ConfigError: If the id is unsafe or taken, or the stages' wiring does not hold.
        LockedError: If a live process works on a run of that id.
        DataError: If the prices are too old.
    """
    refuse_stale(as_of, profile.name, workspace)
    with ExitStack() as owning:
        with no_removal(workspace):
            record = RunRecord(workspace, run_id or _free_id(profile.name, workspace, as_of.session))
            private_folder(record.folder)
            owning.enter_context(owned(record.folder))
            try:
                run = create_run(profile, workspace, as_of, record.id, options)
            except BaseException:
                _remove_empty(record.folder)
                raise
        yield run


@contextmanager
def taken_up(record: RunRecord) -> Iterator[Run]:
    """Own a run that exists until the block ends: to continue it, and to publish it.

    Raises:
        ConfigError: If the run was removed.
        LockedError: If a live process works on it.
    """
    with ExitStack() as owning:
        with no_removal(record.workspace):
            if not record.exists:
                raise ConfigError(f"Run {record.id} was removed.", hint="Run the profile again.")
            owning.enter_context(owned(record.folder))
        yield open_run(record.workspace, record.id)


def _free_id(profile: str, workspace: Path, as_of: date) -> str:
    """Return a generated run id that no run has: of many runs of one session two may get the same digits."""
    while (workspace / "runs" / (found := default_run_id(profile, as_of))).exists():
        pass
    return found


def _remove_empty(folder: Path) -> None:
    """Remove the folder of a run that was refused before anything but its lock was written."""
    if {path.name for path in folder.iterdir()} == {"lock"}:
        (folder / "lock").unlink()
        folder.rmdir()
