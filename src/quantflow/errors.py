"""The exception tree: what happened, what to do, which exit code, and whether a retry can help."""

from __future__ import annotations

import difflib
import errno
import os
import re
import signal
from collections.abc import Iterable
from pathlib import Path

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class QuantflowError(Exception):
    """Base of every error that quantflow raises on purpose.

    Only the message is positional, so that an instance survives pickling through Ray:
    the rest travels in ``__dict__``.

    Args:
        message: What happened and where, one sentence.
        hint: What to do about it; None when there is nothing to add.
        **context: Facts for the run record and ``--json`` (JSON values only).
    """

    exit_code = 1
    retryable = False

    def __init__(self, message: str, *, hint: str | None = None, **context: object) -> None:
        super().__init__(message)
        self.hint = hint
        self.context = context

    @property
    def message(self) -> str:
        """What happened, without the hint."""
        return str(self.args[0])

    def __str__(self) -> str:
        """Return what happened and what to do, as a notebook shows it."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message


def said(error: BaseException) -> str:
    """Return what any error says happened; of one of quantflow's without its hint."""
    return error.message if isinstance(error, QuantflowError) else str(error)


class ConfigError(QuantflowError):
    """A profile, flag or environment value is wrong; nothing has been started."""

    exit_code = 2


class StageError(QuantflowError):
    """A stage failed; the run can be resumed."""

    exit_code = 20


class LookAheadError(StageError):
    """A stage asked for data later than the date that it decides on."""


class StageUnavailableError(StageError):
    """A third-party stage failed in a way that a later try may fix."""

    retryable = True


class DataError(QuantflowError):
    """Data broke a contract: missing, stale, corrupt, or outside its bounds."""

    exit_code = 21


class InfeasibleError(QuantflowError):
    """No portfolio satisfies the limits."""

    exit_code = 22


class InfrastructureError(QuantflowError):
    """The API server, Ray or the disk failed, not the pipeline."""

    exit_code = 30


class DataUnavailableError(QuantflowError):
    """A provider did not answer in a way that a later try may fix.

    Args:
        retry_after: Seconds that the provider asked us to wait; None when it did not say.
    """

    exit_code = 21
    retryable = True

    def __init__(
        self, message: str, *, hint: str | None = None, retry_after: float | None = None, **context: object
    ) -> None:
        super().__init__(message, hint=hint, **context)
        self.retry_after = retry_after


class LockedError(QuantflowError):
    """Another live process owns the run."""

    exit_code = 75


class IntegrityError(QuantflowError):
    """An artifact's bytes are not the bytes that were written."""

    exit_code = 30


class NewerRecordError(IntegrityError):
    """A record was written by a newer quantflow; nothing is wrong with it, but this one cannot read it."""


class DegradedError(QuantflowError):
    """A run is complete, but not as it was asked for; raised only where that is wanted."""

    exit_code = 23


class Interrupted(BaseException):
    """SIGINT or SIGTERM arrived: end now, but in order. Not an error, so that nothing on the way swallows it.

    Args:
        signal_number: Which signal it was.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number

    def __str__(self) -> str:
        return f"interrupted by {signal.Signals(self.exit_code - 128).name}"


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """Return the error for a name that does not exist, with the nearest one that does.

    Args:
        kind: What the name names, e.g. ``"profile"``.
        name: What was asked for.
        known: The names that exist, in any order.
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    return ConfigError(f"No {kind} named {name!r}.", hint=f"{guess}Known: {', '.join(names) or 'none'}.")


def last_line(error: BaseException | str) -> str:
    """Return what an error of another library says in its last line, which after a remote traceback is the cause.

    Args:
        error: The error, or its text; colours are taken out, and it is cut to 300 characters.
    """
    text = error if isinstance(error, str) else said(error)
    lines = [line.strip() for line in _COLOURS.sub("", text).splitlines() if line.strip()]
    return shortened(lines[-1], 300) if lines else (error if isinstance(error, str) else type(error).__name__)


def shortened(text: str, width: int) -> str:
    """Return *text*, or as many of its whole words as fit into *width* characters together with an ellipsis.

    A word is cut where it alone would take more than half of the width: an id, an address.
    """
    if len(text) <= width:
        return text
    kept = text[:width].rpartition(" ")[0].rstrip(" ,;:.-")
    return f"{kept if len(kept) >= width // 2 else text[: width - 1]}…"


_REFUSED = {
    errno.ENOSPC: "Free space, then continue.",
    errno.EDQUOT: "Free space of your quota, then continue.",
    errno.EROFS: "Mount it writable, or use another --workspace.",
    errno.EIO: "Look at the disk: the kernel's log says more.",
    errno.EMFILE: "Raise the limit of open files: ulimit -n 4096",
    errno.ENFILE: "Close programs: the whole machine has too many files open.",
    errno.EAGAIN: "Raise the limit of processes and threads (ulimit -u, or the container's), or use fewer workers.",
    errno.ENOMEM: "Close programs, or use fewer workers (execution.workers).",
    errno.EACCES: "Run as its owner, or use another --workspace.",
    errno.EPERM: "Run as its owner, or use another --workspace.",
}
"""What to do about what the machine refuses."""


def refused_by_machine(error: BaseException) -> InfrastructureError | None:
    """Return the error for what the machine refused: memory, threads, disk, another user's file; None for any other."""
    if isinstance(error, MemoryError):
        return InfrastructureError("There is not enough memory.", hint=_REFUSED[errno.ENOMEM])
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return InfrastructureError("No more threads can be started.", hint=_REFUSED[errno.EAGAIN])
    if isinstance(error, OSError) and error.errno in _REFUSED:
        where = f"{error.filename}: " if error.filename else ""
        return InfrastructureError(f"{where}{error.strerror}{whose(error)}.", hint=_REFUSED[error.errno])
    return None


def whose(error: OSError) -> str:
    """Return in parentheses whose the refused file is, or the nearest folder that can be seen; empty if this user's."""
    if error.errno not in (errno.EACCES, errno.EPERM) or not isinstance(error.filename, str | bytes):
        return ""
    path = Path(os.fsdecode(error.filename)).absolute()
    seen = next(each for each in (path, *path.parents) if _can_be_seen(each))
    if seen.stat().st_uid == os.geteuid():
        return ""
    try:
        return f" ({seen} belongs to {seen.owner()})"
    except KeyError:
        return f" ({seen} belongs to uid {seen.stat().st_uid})"


def _can_be_seen(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True
