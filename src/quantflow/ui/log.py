"""Standard error as JSON lines, for a job whose log a machine reads: ``QUANTFLOW_LOG=json``."""

from __future__ import annotations

import atexit
import io
import json
import os
import re
import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TextIO

from quantflow.config.credentials import scrubbed
from quantflow.errors import ConfigError

VARIABLE = "QUANTFLOW_LOG"
ABOUT: tuple[str, ...] = ("run_id", "stage", "sleeve", "attempt", "as_of")
"""What a line is about: keys that every line has, null where there is no such thing."""


class JsonLog(io.TextIOBase):
    """A text stream that writes each line that it is given as one JSON object.

    So a line that a library prints is one too; what is known better than as text comes in through ``log``.

    Args:
        out: Where the objects go, one a line.
        clock: What time it is.
    """

    encoding = "utf-8"

    def __init__(self, out: TextIO, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._out, self._clock = out, clock
        self._lock = threading.RLock()
        self._rest = ""
        self.about: dict[str, Any] = {}

    def log(self, level: str, event: str, message: str, facts: dict[str, Any]) -> None:
        """Write one object: when, how bad, what, in words, what it is about, and *facts*."""
        ts = self._clock().isoformat(timespec="milliseconds")
        full: dict[str, Any] = {"ts": ts, "level": level, "event": event, "message": message}
        full |= {**dict.fromkeys(ABOUT), **self.about, **facts}
        with self._lock:
            self._out.write(json.dumps(_scrubbed(full)) + "\n")
            self._out.flush()

    def write(self, text: str) -> int:
        """Take plain text; each line of it that has ended becomes an object with the event ``message``."""
        with self._lock:
            *lines, self._rest = re.split("[\r\n]", self._rest + text)
            for line in lines:
                if line.strip():
                    self.log(_level(line), "message", line.strip(), {})
        return len(text)

    def flush(self) -> None:
        """Pass on what was written; a line that has not ended waits for its end."""
        self._out.flush()

    def end(self) -> None:
        """Write the last line, even if its end is missing."""
        with self._lock:
            if self._rest:
                self.write("\n")

    def writable(self) -> bool:
        """Whether it takes text: yes."""
        return True

    def fileno(self) -> int:
        """Return the descriptor below."""
        return self._out.fileno()


def start_json_log() -> None:
    """From now on write standard error as JSON lines if ``QUANTFLOW_LOG=json``, and it is not a terminal.

    Raises:
        ConfigError: If the variable has another value.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "json"):
        raise ConfigError(
            f"{VARIABLE}={wanted!r} is not a format of log lines.", hint=f"Unset it, or set {VARIABLE}=json."
        )
    if wanted and not sys.stderr.isatty():
        sys.stderr = JsonLog(sys.stderr)
        atexit.register(end_json_log)


def end_json_log() -> None:
    """Write what the JSON log still holds back, for the process ends."""
    if isinstance(sys.stderr, JsonLog):
        sys.stderr.end()


def log(level: str, event: str, message: str, **facts: Any) -> bool:
    """Write a line of the JSON log; return whether there is one.

    Args:
        level: ``info``, ``warning`` or ``error``.
        event: What kind of thing happened, e.g. ``stage``.
        message: The same in words.
        **facts: JSON values; the keys of ``ABOUT`` say what it is about.
    """
    if not isinstance(sys.stderr, JsonLog):
        return False
    sys.stderr.log(level, event, message, facts)
    return True


def about(run_id: str, as_of: date) -> None:
    """From now on, lines are about this run, unless they say otherwise."""
    if isinstance(sys.stderr, JsonLog):
        sys.stderr.about = {"run_id": run_id, "as_of": as_of.isoformat()}


def _scrubbed(value: Any) -> Any:
    """Return a value for JSON without credentials; before it is text, for there they may be escaped."""
    if isinstance(value, dict):
        return {key: _scrubbed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(inner) for inner in value]
    if value is None or isinstance(value, int | float):
        return value
    return scrubbed(value if isinstance(value, str) else str(value))


def _level(line: str) -> str:
    found = re.match(r"(?:\S*:\d+: )?\w*?(error|warning)\b", line, re.IGNORECASE)
    return found[1].lower() if found else "info"
