"""The exception tree: what happened, what to do, which exit code, and whether a retry can help."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable


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


class ConfigError(QuantflowError):
    """A profile, flag or environment value is wrong; nothing has been started."""

    exit_code = 2


class StageError(QuantflowError):
    """A stage failed; the run can be resumed."""

    exit_code = 20


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
    """A provider did not answer in a way that a later try may mend.

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
