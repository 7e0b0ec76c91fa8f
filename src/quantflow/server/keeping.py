"""How a process that serves a workspace lives as long as it is used or kept, and no longer.

Its folder has the file ``users``, on which every user holds a shared lock; one that is killed loses its lock, so no
such process is orphaned. While the file ``kept`` there names it, it is a user itself, and says so in ``keeping``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from quantflow.locks import FileLock

POLL_SECONDS = 0.25
LINGER_SECONDS = 2.0
"""How long it outlives users that were killed: what continues their work at once finds it running."""


def keep(home: Path, pid: int) -> bool:
    """Ask that a process be kept; return whether it says that it is. Ask again until it does, or has ended."""
    from quantflow.data.store import write_atomic  # not in the process that is kept, which must be up soon

    if named(home / "kept") != pid:
        (home / "keeping").unlink(missing_ok=True)  # of a former time: it may be about to end
        write_atomic(home / "kept", str(pid).encode())
    return named(home / "keeping") == pid


def wait_until_unused(home: Path) -> None:
    """Return once nobody uses or keeps this process; the users' lock stays taken, so a newcomer waits for its end.

    Users that were killed are waited for, unless it was kept: who lets it go wants it to end.
    """
    users = FileLock(home / "users")
    linger, unused_since = LINGER_SECONDS, None
    while True:
        kept = named(home / "kept") == os.getpid()
        if not users.take(shared=kept):
            unused_since = None
        elif kept:
            linger = 0.0
            if named(home / "keeping") != os.getpid():  # from here on nobody is the last user
                (home / "keeping").write_text(str(os.getpid()))
        else:
            unused_since = unused_since or time.monotonic()
            if time.monotonic() - unused_since >= linger:
                return
            users.free()
        time.sleep(POLL_SECONDS)


def named(path: Path) -> int | None:
    """Return the process that a file names; None when there is no such file, or it names none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
