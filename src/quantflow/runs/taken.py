"""Refusals: a run id that is in use, a run that a live process owns."""

from __future__ import annotations

from quantflow.errors import ConfigError
from quantflow.runs.lock import locked, owner
from quantflow.runs.record import RunRecord


def refuse_taken(record: RunRecord) -> None:
    """Refuse a run id that is in use.

    Raises:
        LockedError: If its owner lives.
        ConfigError: If the run exists.
    """
    refuse_locked(record)
    refuse_existing(record)


def refuse_existing(record: RunRecord) -> None:
    """Refuse a run id that a run has, whoever owns it.

    Raises:
        ConfigError: If the run exists.
    """
    if record.exists:
        raise ConfigError(
            f"There is already a run called {record.run_id}.",
            hint=f"Continue it: quantflow resume {record.run_id}; or choose another --run-id.",
        )


def refuse_locked(record: RunRecord) -> None:
    """Refuse to touch a run that a live process owns.

    Raises:
        LockedError: Naming the owner.
    """
    if who := owner(record.folder):
        raise locked(record.run_id, who)
