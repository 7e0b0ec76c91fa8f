"""The trials of a sweep while they run: how many have ended, how fast, and how long the rest will take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from quantflow.pipeline.advance import duration
from quantflow.runs.kinds import Sweep
from quantflow.runs.run import Run
from quantflow.ui.progress.marks import MARKS, STYLES, shown
from quantflow.ui.progress.rows import Row

if TYPE_CHECKING:
    from quantflow.flows.states import TaskState

PREFIX = "trial "
MOST_FAILED = 5
"""Failed trials that have a row of their own, the last ones: the report names all."""
ENDED = ("completed", "failed", "interrupted")


class TrialsView:
    """What the API says of a sweep's trials; of any other run nothing.

    Args:
        record: The run.
    """

    def __init__(self, record: Run) -> None:
        trials = record.trials if isinstance(record, Sweep) else []
        self._trials = {f"{PREFIX}{trial.name}": trial for trial in trials}
        self._names = list(self._trials)
        self._before = {name for name, trial in self._trials.items() if not trial.is_due}
        self._began: datetime | None = None

    def rows(self, tasks: Mapping[str, TaskState], now: datetime) -> list[Row]:
        """Return a row of all trials, then one for each of the last that failed."""
        if not self._names:
            return []
        states = self._states(tasks)
        running = bool({*states.values()} - {"pending", "kept"})
        self._began = self._began or (now if running else None)
        seconds = (now - self._began).total_seconds() if self._began else None
        failed = [
            Row(task.name, "failed", note=self._why(task))
            for task in sorted(tasks.values(), key=lambda task: task.at)
            if task.name.startswith(PREFIX) and shown(task.state) == "failed"
        ]
        state = "pending" if seconds is None else "running"
        over = all(state in (*ENDED, "kept") for state in states.values())
        return [
            Row("trials", "completed" if over else state, seconds=seconds, note=self._note(states, seconds)),
            *failed[-MOST_FAILED:],
        ]

    def marks(self, tasks: Mapping[str, TaskState], width: int, height: int) -> Text:
        """Return a mark per trial, in the order of their numbers; of more than fit, the last ones that have begun."""
        states = self._states(tasks)
        begun = max((i for i, name in enumerate(self._names) if states[name] != "pending"), default=0)
        room = max(1, width // 2) * max(1, height)
        first = max(0, min(begun + 1 + room // 2, len(self._names)) - room)
        text = Text()
        for name in self._names[first : first + room]:
            text.append(f"{MARKS.get(states[name], ' ')} ", style=STYLES.get(states[name], ""))
        return text

    def _why(self, task: TaskState) -> str:
        """Return why a trial failed: its record knows better than the API."""
        trial = self._trials.get(task.name)
        result = trial.result if trial else None
        return (result.error or {}).get("message", task.message) if result else task.message

    def _states(self, tasks: Mapping[str, TaskState]) -> dict[str, str]:
        states = {name: "kept" if name in self._before else "pending" for name in self._names}
        for task in sorted(tasks.values(), key=lambda task: task.at):
            if task.name in states:
                states[task.name] = shown(task.state)
        return states

    def _note(self, states: Mapping[str, str], seconds: float | None) -> str:
        count = Counter(states.values())
        here = sum(count[state] for state in ENDED)
        ended, total = here + count["kept"], len(states)
        parts = [f"{ended:,} / {total:,}"]
        parts += [f"{count['kept']:,} kept"] if count["kept"] else []
        parts += [f"{count['failed']:,} failed"] if count["failed"] else []
        if here and seconds and ended < total:
            parts.append(f"about {duration(seconds / here * (total - ended))} left")
        return ", ".join(parts)
