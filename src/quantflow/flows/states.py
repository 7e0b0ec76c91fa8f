"""What is known of a run's tasks at one time. Imports nothing of Prefect, so that views start at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

FINAL_TYPES = frozenset({"COMPLETED", "FAILED", "CANCELLED", "CRASHED"})


@dataclass(frozen=True)
class TaskState:
    """One task run as the API tells it.

    Attributes:
        id: The task run.
        name: Its name: the stage's id, or that of a part of a stage.
        state: Prefect's state name, e.g. ``AwaitingRetry`` or ``Cached``.
        kind: Prefect's state type, e.g. ``SCHEDULED`` or ``COMPLETED``.
        at: When it entered the state.
        attempt: 1 for the first try.
        due: When an awaited retry starts; None otherwise.
        message: What the state says.
        tags: The run's tags, e.g. ``sleeve:…``.
    """

    id: str
    name: str
    state: str
    kind: str
    at: datetime
    attempt: int = 1
    due: datetime | None = None
    message: str = ""
    tags: frozenset[str] = frozenset()

    @property
    def final(self) -> bool:
        """Whether it will not change any more."""
        return self.kind in FINAL_TYPES

    @property
    def _rank(self) -> tuple[bool, int, datetime]:
        return self.final, self.attempt, self.at


def merge(known: Mapping[str, TaskState], news: Iterable[TaskState]) -> dict[str, TaskState]:
    """Return the later of what is known and what comes in, task by task.

    A final state wins over any other, then the later attempt, then the later time: news may come twice, late,
    or out of order, and change nothing.
    """
    merged = dict(known)
    for task in news:
        if task.id not in merged or task._rank >= merged[task.id]._rank:
            merged[task.id] = task
    return merged


Snapshot: TypeAlias = Mapping[str, TaskState]
"""What is known of tasks, by task run id."""
