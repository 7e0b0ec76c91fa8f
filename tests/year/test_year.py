"""A year of nights in real processes, with all that goes wrong in them, beside an undisturbed one."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from processes import bare_environment, processes_of, run_cli
from quantflow.data import calendars
from quantflow.runs.find import list_runs

SESSIONS = int(os.environ.get("YEAR_SESSIONS", "250"))
SEED = int(os.environ.get("YEAR_SEED", "1"))
FIRST = pd.Timestamp("2019-01-02")
BEGIN = pd.Timestamp("2021-01-04").date()
PROFILE = """
[profiles.night]
extends = "demo"
[profiles.night.data]
provider = "files"
path = "prices.csv"
max_age = "off"
[profiles.night.features]
lookback = 252
[profiles.night.validation]
min_history = 300
[profiles.night.policy]
min_winners = 2
"""
TROUBLE = ("missed", "doubled", "late", "killed")


def days() -> list[pd.Timestamp]:
    found = calendars.sessions("XNYS", BEGIN, pd.Timestamp("2022-06-30").date())[:SESSIONS]
    return [pd.Timestamp(day) for day in found]


class Market:
    """Ten random walks, written up to a date."""

    def __init__(self) -> None:
        sessions = pd.DatetimeIndex(calendars.sessions("XNYS", FIRST.date(), days()[-1].date()))
        rng = np.random.default_rng(3)
        close = 60 * np.exp(np.cumsum(rng.normal(4e-4, 0.012, (len(sessions), 10)), axis=0))
        self.table = pd.DataFrame(close, index=sessions.rename("date"), columns=[f"S{i}" for i in range(10)])

    def write(self, workspace: Path, last: pd.Timestamp) -> None:
        long = self.table.loc[:last].reset_index().melt("date", var_name="symbol", value_name="close")
        part = workspace / "prices.part"
        long.to_csv(part, index=False)
        part.replace(workspace / "prices.csv")


def job(workspace: Path) -> None:
    """The crontab's evening: what was missed, then tonight."""
    for command in (["catchup", "--no-progress"], ["select", "-p", "night", "--no-progress"]):
        done = run_cli(*command, cwd=workspace)
        assert done.returncode == 0, done.stderr


def started(workspace: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "quantflow", "select", "-p", "night", "--no-progress"]
    return subprocess.Popen(
        command, cwd=workspace, env=bare_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def year(workspace: Path, trouble: dict[pd.Timestamp, str], seed: int) -> None:
    """Live through all sessions; no command is given by hand."""
    (workspace / "quantflow.toml").write_text(PROFILE)
    market, dice = Market(), random.Random(seed)
    run_cli("server", "start", cwd=workspace)
    try:
        for day in days():
            market.write(workspace, day)
            match trouble.get(day):
                case None:
                    job(workspace)
                case "doubled":
                    both = [started(workspace), started(workspace)]
                    assert [process.wait(300) for process in both] == [0, 0]
                case "killed":
                    process = started(workspace)
                    time.sleep(dice.uniform(0.0, 3.0))
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait(60)
                case "missed":
                    pass  # the machine was off in the evening
                case "late":
                    continue  # and in the morning too: made up when the next evening's data are there
            done = run_cli("catchup", "--no-progress", cwd=workspace)  # the crontab's morning
            assert done.returncode == 0, done.stderr
    finally:
        run_cli("server", "stop", cwd=workspace)


def book(workspace: Path) -> dict[str, object]:
    """Weights and position at the end, without the runs' names."""
    place = workspace / "current" / "night"
    position = json.loads((place / "position.json").read_bytes())
    return {name: position[name] for name in ("session", "anchor", "scheduled", "decided", "held", "benchmark")} | {
        "weights": json.loads((place / "book.json").read_bytes())["weights"]
    }


def lines(workspace: Path) -> list[dict[str, str]]:
    with (workspace / "current" / "night" / "track.csv").open() as file:
        return [
            {name: value for name, value in row.items() if name not in ("run_id", "chain")}
            for row in csv.DictReader(file)
        ]


def decisions(workspace: Path) -> dict[str, tuple[str, bytes]]:
    """Per session that decided: why, and the weights."""
    return {
        run.as_of.isoformat(): (run.header.decision.kind.value, (run.folder / "weights.csv").read_bytes())
        for run in list_runs(workspace)
        if run.state == "completed" and not run.header.decision.hold
    }


def test_a_disturbed_year_ends_as_a_quiet_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Missed, doubled, late and killed nights drawn at random: book, track and every decision are the same."""
    dice = random.Random(SEED)
    inner = days()[1:-1]  # the first begins the book, and the last is looked at
    trouble = {day: dice.choice(TROUBLE) for day in inner if dice.random() < 0.2}
    quiet, disturbed = (tmp_path_factory.mktemp(name) for name in ("quiet", "disturbed"))
    year(quiet, {}, SEED)
    year(disturbed, trouble, SEED)
    counts = {kind: list(trouble.values()).count(kind) for kind in TROUBLE}
    sys.stderr.write(f"{len(days())} sessions, disturbed: {counts}\n")
    assert decisions(disturbed) == decisions(quiet)
    assert lines(disturbed) == lines(quiet)
    assert book(disturbed) == book(quiet)
    assert len(lines(quiet)) == len(days()) - 1
    assert not [command for home in (quiet, disturbed) for command in processes_of(home)]
