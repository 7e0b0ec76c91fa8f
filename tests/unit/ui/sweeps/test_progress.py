"""Trials while they run: how many have ended, how long the rest takes, and a mark for each that fits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quantflow.flows.states import TaskState
from quantflow.pipeline.advance import duration
from quantflow.runs.kinds import Sweep
from quantflow.ui.sweeps.progress import MOST_FAILED, TrialsView
from recorded import created
from swept import done, fails, sweep

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
Tasks = dict[str, TaskState]


def task(number: int, state: str, message: str = "", at: int = 0) -> TaskState:
    """What the API says of a trial."""
    return TaskState(
        f"id-{number}", f"trial {number}", state, state.upper(), NOW + timedelta(seconds=at), message=message
    )


def tasks(*states: tuple[int, str]) -> Tasks:
    """What the API says of several."""
    return {str(number): task(number, state) for number, state in states}


@pytest.fixture
def run(tmp_path: Path) -> Sweep:
    """A sweep of ten trials."""
    return sweep(tmp_path, {"policy.top_n": list(range(1, 11))})


def test_other_runs_have_no_trials(tmp_path: Path) -> None:
    """The view of a run of a profile is what it was."""
    assert TrialsView(created(tmp_path)).rows({}, NOW) == []


def test_before_anything_runs_all_are_waited_for(run: Sweep) -> None:
    """No time, no estimate."""
    (row,) = TrialsView(run).rows({}, NOW)
    assert (row.name, row.state, row.seconds, row.note) == ("trials", "pending", None, "0 / 10")


def test_the_time_that_is_left_follows_from_those_that_ended(run: Sweep) -> None:
    """By this process; the clock starts when the first one does."""
    view = TrialsView(run)
    view.rows(tasks((1, "pending")), NOW)
    view.rows(tasks((1, "running")), NOW)
    (row,) = view.rows(tasks((1, "completed"), (2, "completed"), (3, "running")), NOW + timedelta(seconds=20))
    assert (row.state, row.seconds, row.note) == ("running", 20.0, "2 / 10, about 1:20 left")


def test_those_that_were_kept_say_nothing_of_the_speed(run: Sweep) -> None:
    """A resumed sweep counts them, and reckons with what it plays itself."""
    for trial in run.trials[:3]:
        done(run, trial)
    fails(run.trials[3])
    view = TrialsView(run)
    view.rows(tasks((5, "running")), NOW)
    (row,) = view.rows(tasks((5, "completed")), NOW + timedelta(seconds=6))
    assert row.note == "5 / 10, 4 kept, about 0:30 left"


def test_failed_trials_have_rows_of_their_own_the_last_ones(run: Sweep) -> None:
    """With the reason; no more than fit, and the count says how many there are."""
    found = {str(n): task(n, "failed", f"reason {n}", at=n) for n in range(1, 9)}
    first, *failed = TrialsView(run).rows(found, NOW)
    assert first.note.startswith("8 / 10, 8 failed")
    assert [row.name for row in failed] == [f"trial {n}" for n in range(9 - MOST_FAILED, 9)]
    assert failed[-1].note == "reason 8"


def test_when_all_have_ended_it_is_over(run: Sweep) -> None:
    """Whatever became of them; a retry that runs is not an end."""
    states = [(n, "completed") for n in range(1, 10)]
    assert TrialsView(run).rows(tasks(*states, (10, "failed")), NOW)[0].state == "completed"
    assert TrialsView(run).rows(tasks(*states, (10, "retrying")), NOW)[0].state == "running"


def test_a_trial_is_as_its_last_attempt_says(run: Sweep) -> None:
    """An earlier task run of the same trial does not count twice."""
    two = {"a": task(1, "Crashed", at=1), "b": task(1, "completed", at=2)}
    (row,) = TrialsView(run).rows(two, NOW)
    assert row.note.startswith("1 / 10")


@pytest.mark.parametrize("trials", [5, 5000])
@pytest.mark.parametrize(("width", "height"), [(80, 10), (60, 3), (7, 1), (1, 1), (200, 50)])
@pytest.mark.parametrize("begun", [0, 1, 3, 2600, 5000])
def test_marks_fit(trials: int, width: int, height: int, begun: int, tmp_path: Path) -> None:
    """Width and height are kept, and the last one that has begun is among those that are shown."""
    view = TrialsView(created(tmp_path))
    view._names = [f"trial {number}" for number in range(1, trials + 1)]
    begun = min(begun, trials)
    text = view.marks(
        tasks(*((n, "completed") for n in range(1, begun)), *([(begun, "running")] if begun else [])), width, height
    )
    shown = text.plain.split()
    assert len(shown) == min(trials, max(1, width // 2) * height)
    assert 2 * len(shown) <= max(2, width) * height
    assert ("▶" in shown) == (begun > 0)


def test_marks_tell_what_became_of_each(run: Sweep) -> None:
    """In the order of their numbers; what was kept looks complete."""
    done(run, run.trials[0])
    states = [(2, "completed"), (3, "failed"), (4, "running"), (5, "Crashed")]
    assert TrialsView(run).marks(tasks(*states), 80, 5).plain.split() == ["✓", "✓", "✗", "▶", "✗", *"·····"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (5.4, "0:05"), (65, "1:05"), (7230, "2:00:30"), (3599.6, "1:00:00")]
)
def test_times_are_written_as_people_do(seconds: float, text: str) -> None:
    """Minutes and seconds, hours where there are some."""
    assert duration(seconds) == text
