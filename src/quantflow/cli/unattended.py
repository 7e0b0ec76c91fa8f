"""What a job that nobody watches needs: a deadline, and a health check that is told how it went."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

import typer

from quantflow.errors import ConfigError

PING_SECONDS = 5.0

Deadline = Annotated[
    str | None,
    typer.Option("--deadline", metavar="45m|HH:MM", help="Stop after so long, or at that time."),
]
Ping = Annotated[
    str | None,
    typer.Option("--ping", metavar="URL", help="Health check; fetches URL/start, then URL or URL/fail."),
]


@contextmanager
def unattended(deadline: str | None, ping: str | None) -> Iterator[None]:
    """Within the block, stop at the deadline; tell the health check of the start, and of success or failure.

    Raises:
        ConfigError: At once, if the deadline or the address cannot be read.
    """
    seconds = seconds_until(deadline, datetime.now()) if deadline else None
    if ping and not re.match(r"https?://[^/]", ping):
        raise ConfigError(f"--ping {ping!r} is not an address.", hint="Write it as https://host/path.")
    timer = threading.Timer(seconds or 0.0, _stop, [deadline])
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        with _pinged(ping):
            yield
    finally:
        timer.cancel()


def seconds_until(text: str, now: datetime) -> float:
    """Return how long *text*, a time of day or a number of seconds, minutes or hours, is from *now*.

    Raises:
        ConfigError: If it is neither.
    """
    if found := re.fullmatch(r"(\d{1,6})([smh])", text):
        return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
    if (found := re.fullmatch(r"(\d{1,2}):(\d{2})", text)) and int(found[1]) < 24 and int(found[2]) < 60:
        then = now.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
        return ((then if then > now else then + timedelta(days=1)) - now).total_seconds()
    raise ConfigError(f"--deadline {text!r} is neither a duration nor a time.", hint="Write it as 45m, 2h or 23:30.")


def _stop(deadline: str) -> None:
    sys.stderr.write(f"the deadline, {deadline}, has passed: interrupting the run\n")
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _pinged(url: str | None) -> Iterator[None]:
    if url is None:
        yield
        return
    _fetch(f"{url.rstrip('/')}/start")
    try:
        yield
    except BaseException:  # a signal too is a failure that the health check must hear of
        _fetch(f"{url.rstrip('/')}/fail")
        raise
    _fetch(url)


def _fetch(url: str) -> None:
    """Fetch *url*; that it fails is only said: the health check will notice by itself that nothing came."""
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=PING_SECONDS):
            pass
    except (OSError, ValueError) as error:
        sys.stderr.write(f"warning: the health check at {urlsplit(url).hostname} could not be told: {error}\n")
