"""What a run has logged, with the runs of its sleeves: read once, or followed while it goes on."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from operator import attrgetter

from quantflow.runs.run import Run

FILE = "log.txt"
WHOLE_RUN = "run"
"""What stands where a line names its stage, if it is of none."""
POLL_SECONDS = 0.3
_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ([A-Z]+) (\S+) (.*)")


@dataclass(frozen=True)
class LogLine:
    """One line of a run's log.

    Attributes:
        at: When, as the log has it.
        level: ``INFO``, ``WARNING``, ``ERROR``, …
        stage: The stage that logged it, or ``run``.
        text: What it says; lines of a traceback follow as lines of their own.
        sleeve: The sleeve that it is of; empty for the run itself.
    """

    at: str
    level: str
    stage: str
    text: str
    sleeve: str = ""

    def of(self, stage: str | None) -> bool:
        """Whether the line is of *stage*; of any where that is None."""
        return stage is None or stage == self.stage


@dataclass
class _Log:
    """The log of one run, as far as it was read."""

    run: Run
    sleeve: str = ""
    file: TextIOWrapper | None = None
    last: LogLine = LogLine("", "INFO", WHOLE_RUN, "")
    rest: str = ""

    def lines(self) -> Iterator[LogLine]:
        """Yield what was written since the last call; a line that has not ended waits for its end."""
        if self.file is None:
            try:
                self.file = (self.run.folder / FILE).open(encoding="utf-8", errors="replace")
            except FileNotFoundError:
                return
        *ended, self.rest = (self.rest + self.file.read()).split("\n")
        for text in ended:
            found = _LINE.fullmatch(text)
            last = self.last
            at, level, stage, said = found.groups() if found else (last.at, last.level, last.stage, text)
            self.last = LogLine(at, level, stage, said, self.sleeve)
            yield self.last


def _logs(run: Run) -> list[_Log]:
    return [_Log(run), *(_Log(leaf.run, leaf.name) for leaf in run.leaves())]


def _fresh(logs: Iterable[_Log]) -> list[LogLine]:
    return sorted((line for log in logs for line in log.lines()), key=attrgetter("at"))


def logged_lines(run: Run) -> list[LogLine]:
    """Return what a run and its sleeves have logged, oldest first."""
    return _fresh(_logs(run))


def following(run: Run) -> Iterator[LogLine]:
    """Yield what a run and its sleeves log, from the first line on, until it has ended."""
    logs = _logs(run)
    while True:
        over = run.again().state != "running"
        yield from _fresh(logs)
        if over:
            return
        time.sleep(POLL_SECONDS)
