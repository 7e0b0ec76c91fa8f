"""Where the time of a ``select`` goes, from the times in ``events.jsonl``.

Medians of five: with a server of its own and nothing cached, then with the server kept and all cached.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from timing import quantflow, run

ROUNDS = 5
PARTS = (
    "to the run's record: Python, settings, calendar",
    "to the flow: import of Prefect",
    "to the first stage: the flow run in the API",
    "stages",
    "between the stages: their task runs, records, cache",
    "to the run's end: the flow run's last state",
    "to the prompt: the result is shown and published, the server ends",
    "whole command",
)


def main() -> None:
    """Print the table, and the seconds of the stages of a cold run."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        run(select("data.start=2010-01-04", "first"), home)
        cold = [timed(home, f"data.start={date(2010, 1, 6) + timedelta(weeks=n)}", f"c{n}") for n in range(ROUNDS)]
        run(quantflow("server", "start"), home)
        warm = [timed(home, "data.start=2010-01-04", f"w{number}") for number in range(ROUNDS)]
        stages = [stage_seconds(events(home, f"c{number}")) for number in range(ROUNDS)]
        run(quantflow("server", "stop"), home)
    print("| part | server started by the run, nothing cached | server kept, all cached |")
    print("|---|---|---|")
    for part, *both in zip(PARTS, medians(cold), medians(warm), strict=True):
        print(f"| {part} | {both[0]:.2f} s | {both[1]:.2f} s |")
    seconds = {name: statistics.median(each[name] for each in stages) for name in stages[0]}
    print("\nStages: " + ", ".join(f"{name} {took:.2f}" for name, took in sorted(seconds.items(), key=lambda x: -x[1])))


def select(setting: str, run_id: str) -> tuple[str, ...]:
    """Return the command of a run."""
    return (*quantflow("select", "-p", "demo", "--no-progress"), "--set", setting, "--run-id", run_id)


def medians(runs: Iterable[list[float]]) -> list[float]:
    """Return the median of each part."""
    return [statistics.median(part) for part in zip(*runs, strict=True)]


def timed(home: Path, setting: str, run_id: str) -> list[float]:
    """Make a run; return the seconds of its parts."""
    began = time.time()
    run(select(setting, run_id), home)
    ended = time.time()
    found = events(home, run_id)
    created, started, completed = (
        next(event["at"] for event in found if event["event"] == f"run.{name}")
        for name in ("created", "started", "completed")
    )
    first = next(event["at"] for event in found if event["event"] == "stage.running")
    last = max(event["at"] for event in found if event["event"] == "stage.done")
    inside = sum(stage_seconds(found).values())
    parts = [created - began, started - created, first - started, inside, last - first - inside, completed - last]
    return [*parts, ended - completed, ended - began]


def events(home: Path, run_id: str) -> list[dict[str, Any]]:
    """Return the events of a run, their times in seconds."""
    lines = (home / "runs" / run_id / "events.jsonl").read_text().splitlines()
    return [{**event, "at": datetime.fromisoformat(event["at"]).timestamp()} for event in map(json.loads, lines)]


def stage_seconds(found: list[dict[str, Any]]) -> dict[str, float]:
    """Return how long each stage was at work; a cached one was not."""
    begun = {event["stage"]: event["at"] for event in found if event["event"] == "stage.attempt"}
    ended = {event["stage"]: event["at"] for event in found if event["event"] == "stage.done"}
    return {name: ended[name] - at for name, at in begun.items()}


if __name__ == "__main__":
    main()
