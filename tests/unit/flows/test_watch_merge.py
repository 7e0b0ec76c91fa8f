"""The merged picture of a run's tasks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from quantflow.flows.states import TaskState, merge

START = datetime(2026, 1, 1, tzinfo=UTC)
HISTORY = [
    TaskState("t", "ingestion", state, kind, START + timedelta(seconds=second), attempt)
    for second, (state, kind, attempt) in enumerate(
        [
            ("Pending", "PENDING", 1),
            ("Running", "RUNNING", 1),
            ("AwaitingRetry", "SCHEDULED", 1),
            ("Retrying", "RUNNING", 2),
            ("AwaitingRetry", "SCHEDULED", 2),
            ("Retrying", "RUNNING", 3),
            ("Completed", "COMPLETED", 3),
        ]
    )
]


@given(st.permutations(HISTORY), st.lists(st.sampled_from(HISTORY), max_size=5))
def test_order_and_repetition_do_not_matter(shuffled: list[TaskState], repeated: list[TaskState]) -> None:
    """However late, doubled or out of order news comes, the last picture is the true one."""
    picture: dict[str, TaskState] = {}
    for news in [*shuffled, *repeated]:
        picture = merge(picture, [news])
    assert picture["t"] == HISTORY[-1]


@given(st.sets(st.integers(0, len(HISTORY) - 1), min_size=1))
def test_lost_events_leave_the_latest_that_came(kept: set[int]) -> None:
    """With events missing, the picture is the latest of those that arrived."""
    picture: dict[str, TaskState] = {}
    for index in kept:
        picture = merge(picture, [HISTORY[index]])
    assert picture["t"] == HISTORY[max(kept)]


def test_tasks_do_not_disturb_each_other() -> None:
    """News of one task leaves the others as they are."""
    other = TaskState("u", "features", "Running", "RUNNING", START)
    assert merge({"u": other}, HISTORY) == {"u": other, "t": HISTORY[-1]}
