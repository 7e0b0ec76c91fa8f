"""Memory that is still free, for the machine and for this process's container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

from quantflow.errors import InfrastructureError

GROUP = Path("/sys/fs/cgroup")
_LIMITS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
"""Of control groups, version 2 and 1: files of the limit, of what is used, and of what of that is cached files."""


SMALL = 16_000_000
"""Bytes that are not worth asking for: the answer takes longer than many a piece of work that needs them."""


def require_memory(needed: int, what: str) -> None:
    """Refuse work that the machine has too little memory for, before it is begun and the process is killed.

    Args:
        needed: Bytes that it needs at once.
        what: The work, as the subject of the error.

    Raises:
        InfrastructureError: If fewer bytes are free.
    """
    if needed > SMALL and needed > (free := free_memory()):
        text = f"{what} needs {needed / 1e9:,.1f} GB of memory at once; {free / 1e9:,.1f} GB are free."
        raise InfrastructureError(text, hint="Use fewer symbols or workers, or a machine with more memory.")


def free_memory() -> int:
    """Return the bytes that can still be used, of the machine and of the container's limit."""
    return max(0, min(psutil.virtual_memory().available, *_free_in_group(), 2**63))


def _free_in_group() -> Iterator[int]:
    for limit, used, stat, cached in _LIMITS:
        try:
            most, now = (GROUP / limit).read_text().strip(), int((GROUP / used).read_text())
            details = dict(line.split() for line in (GROUP / stat).read_text().splitlines())
        except OSError:  # the other version, or none
            continue
        if most != "max":
            yield int(most) - now + int(details.get(cached, 0))
