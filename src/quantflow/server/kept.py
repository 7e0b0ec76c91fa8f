"""The workspace's own API server, kept between runs: ``quantflow server start|stop|show``.

It is the server that a run starts for itself. What keeps it is a file that names its process; the server looks at it,
and counts itself among its users as long as the file is there. So nobody ends a process that is not the server, one
that was killed leaves nothing to be mistaken for it, and one that serves a run can be kept, or stopped, meanwhile.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from quantflow.errors import InfrastructureError
from quantflow.server.keeping import keep, named
from quantflow.server.server import Part, Parts, gone, home_of, join_or_start, missing, running, stop_server_without
from quantflow.server.url import configured_url, trouble_at, without_secrets

BOOT_SECONDS = 90.0
STOP_SECONDS = 10.0
STARTS = 2
"""One may have been about to end when it was joined."""


@dataclass(frozen=True)
class ServerStatus:
    """What runs in a workspace use as their API server.

    Attributes:
        url: Its API URL; None when nothing runs.
        pid: The process of the workspace's own server; None for a configured one.
        kept: Whether it stays when nothing uses it.
        healthy: Whether it answers.
        since: When its process started, ISO, UTC.
        configured: Whether ``PREFECT_API_URL`` or a Prefect profile names it.
        ui: Where its pages are; None where that is not known, or it has none.
    """

    url: str | None = None
    pid: int | None = None
    kept: bool = False
    healthy: bool = False
    since: str | None = None
    configured: bool = False
    ui: str | None = None

    def json(self) -> dict[str, Any]:
        """Return the status as JSON values."""
        return asdict(self)


def server_status(workspace: Path) -> ServerStatus:
    """Return which API server a run in *workspace* would use now."""
    if url := configured_url():
        return ServerStatus(url=without_secrets(url), healthy=not trouble_at(url), configured=True)
    home = home_of(workspace)
    state = running(home)
    if state is None:
        return ServerStatus()
    return ServerStatus(
        url=state["url"],
        pid=state["pid"],
        kept=named(home / "kept") == state["pid"],
        healthy=not trouble_at(state["url"]),
        since=_since(state["pid"]),
        ui=state["url"].removesuffix("/api") if not missing([Part.UI], state) else None,
    )


def start_server(workspace: Path, parts: Parts = ()) -> ServerStatus:
    """Have the workspace's own API server running, and keep it; nothing changes when it is kept already.

    Args:
        workspace: The folder of ``quantflow.toml``.
        parts: What it must have; one without is replaced.

    Raises:
        InfrastructureError: If it does not answer in time, or one that would have to be replaced is in use.
    """
    home = home_of(workspace)
    until = time.monotonic() + BOOT_SECONDS
    begun: set[int] = set()
    stop_server_without(parts, home)
    while time.monotonic() < until:
        state = join_or_start(home, parts)
        begun.add(state["pid"])
        if len(begun) > STARTS:
            raise InfrastructureError("The API server ends while it starts.", hint=f"Its log: {home / 'server.log'}")
        if keep(home, state["pid"]) and not trouble_at(state["url"]):
            return server_status(workspace)
        time.sleep(0.1)
    raise InfrastructureError(
        f"The API server did not answer within {BOOT_SECONDS:.0f} s.", hint=f"Its log: {home / 'server.log'}"
    )


def stop_server(workspace: Path) -> bool:
    """Stop keeping the server: it ends by itself, at once or with the last run that uses it.

    Returns:
        Whether it has ended, or none was kept.
    """
    home = home_of(workspace)
    pid = named(home / "kept")
    (home / "kept").unlink(missing_ok=True)
    state = running(home)
    return pid is None or state is None or state["pid"] != pid or gone(pid, STOP_SECONDS)


def _since(pid: int) -> str | None:
    try:
        return datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC).isoformat(timespec="seconds")
    except psutil.NoSuchProcess:
        return None
