"""Who made the settings of which run a profile, and when: lines of ``.quantflow/promotions.jsonl``, never rewritten."""

from __future__ import annotations

import json
import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quantflow.errors import InfrastructureError, LockedError
from quantflow.locks import FileLock
from quantflow.runs.record import now, private_folder_of
from quantflow.types import Json

FILE = "promotions.jsonl"
SECONDS = 30.0
"""How long a promotion waits for another of the workspace; each takes milliseconds."""


@dataclass(frozen=True)
class Promotion:
    """One decision.

    Attributes:
        profile: The profile that was written.
        run_id: The run whose settings it has since, or a trial.
        of_profile: The profile that the run was of.
        who: The user who decided, with the machine: ``ann@desk7``.
        at: When, ISO, UTC.
        created: Whether the profile was new.
        changes: What was set, by ``section.key``: value before and after.
        turnover: What it was to cause against the profile's book: both sides, a fraction of capital.
        gates: Why the run's weights would have been held back from the book.
    """

    profile: str
    run_id: str
    of_profile: str
    who: str
    at: str
    created: bool
    changes: dict[str, list[Any]]
    turnover: float
    gates: list[str]

    def json(self) -> Json:
        """Return it as JSON values."""
        return asdict(self)


def decided_now() -> tuple[str, str]:
    """Return who decides, and when."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user that no file knows
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}", now()


def promotions(workspace: Path, profile: str | None = None) -> list[Promotion]:
    """Return the promotions of a workspace, oldest first; to one profile if asked for. A torn line is left out."""
    try:
        lines = (workspace / ".quantflow" / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with suppress(ValueError, TypeError, RecursionError):
            found.append(Promotion(**json.loads(line)))
    return [each for each in found if profile in (None, each.profile)]


@contextmanager
def recording(workspace: Path) -> Iterator[int]:
    """Have the journal open, and no other promotion of the workspace at work; yields the descriptor for ``record``.

    Raises:
        LockedError: If another promotion does not end in time.
        InfrastructureError: If the journal cannot be written.
    """
    path = private_folder_of(workspace) / FILE
    try:
        with FileLock(path) as lock:
            if not lock.take(seconds=SECONDS):
                raise LockedError(f"Another promotion is at work in {workspace}.", hint="Try again when it has ended.")
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
            try:
                yield fd
            finally:
                os.close(fd)
    except OSError as error:
        raise InfrastructureError(
            f"{path} cannot be written: {error.strerror or error}.", hint="Free space or fix its permissions."
        ) from error


def record(fd: int, promotion: Promotion) -> None:
    """Append a promotion, and have it on disk."""
    os.write(fd, (json.dumps(promotion.json(), sort_keys=True) + "\n").encode())
    os.fsync(fd)
