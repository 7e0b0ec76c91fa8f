"""Ten nights of a crontab line, with all that goes wrong in them, and one command that makes it up."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from processes import FAULTY, bare_environment, processes_of, run_cli

PROFILE = """
[profiles.night]
extends = "demo"
[profiles.night.data]
provider = "files"
path = "prices.csv"
min_sessions = 252
[profiles.night.validation]
min_history = 504
[profiles.night.rebalance]
every = "quarterly"
[profiles.night.policy]
min_winners = 2
"""
DAYS = pd.bdate_range("2021-11-15", "2021-11-30").drop(pd.Timestamp("2021-11-25"))  # Thanksgiving
FIRST = pd.Timestamp("2019-01-02")


def write(workspace: Path, last: pd.Timestamp) -> None:
    """Write all closes up to a date; one symbol has none after the 18th."""
    days = pd.bdate_range(FIRST, DAYS[-1])
    rng = np.random.default_rng(3)
    close = 60 * np.exp(np.cumsum(rng.normal(4e-4, 0.012, (len(days), 10)), axis=0))
    table = pd.DataFrame(close, index=days.rename("date"), columns=[f"S{i}" for i in range(10)])
    table.loc["2021-11-19":, "S7"] = np.nan
    long = table.loc[:last].reset_index().melt("date", var_name="symbol", value_name="close").dropna()
    long.to_csv(workspace / "prices.csv", index=False)


def night(workspace: Path) -> subprocess.CompletedProcess[str]:
    return run_cli("select", "-p", "night", "--no-progress", "--json", cwd=workspace)


def marks(workspace: Path) -> dict[str, str]:
    shown = run_cli("status", "--json", cwd=workspace)
    (found,) = json.loads(shown.stdout)["profiles"]
    return {each["day"][8:]: each["mark"] for each in found["nights"]}


def book(workspace: Path, day: pd.Timestamp) -> bytes:
    """The weights of the complete run of a session."""
    shown = run_cli("status", "--json", cwd=workspace)
    (found,) = json.loads(shown.stdout)["profiles"]
    (run_id,) = [each["run_id"] for each in found["nights"] if each["day"] == f"{day:%Y-%m-%d}"]
    return (workspace / "runs" / run_id / "weights.csv").read_bytes()


def test_ten_nights(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A closed day, a missed, a doubled and a killed night, and a symbol that dies.

    ``status`` tells it all, ``catchup`` makes up what is missing, and each day's book is the one of a quiet night.
    """
    (fresh / "quantflow.toml").write_text(PROFILE)
    run_cli("server", "start", cwd=fresh)
    for day in DAYS[:10]:
        write(fresh, day)
        match day.day:
            case 17:
                continue  # the machine was off
            case 22:
                command = [
                    *FAULTY,
                    "record:holding:running",
                    "after",
                    "kill",
                    "--",
                    "select",
                    "-p",
                    "night",
                    "--no-progress",
                ]
                assert subprocess.run(command, cwd=fresh, env=bare_environment(), check=False).returncode == -9
            case _:
                done = night(fresh)
                assert done.returncode == 0, done.stderr
        if day.day in (18, 24):  # started twice; the day after the 24th is closed, and its job finds no new session
            again = night(fresh)
            assert (again.returncode, json.loads(again.stdout)["event"]) == (0, "already_done")
    before = marks(fresh)
    assert (before["17"], before["22"], before["25"]) == ("missed", "failed", "closed")
    made = {day for day, mark in before.items() if mark in ("completed", "late", "degraded")}
    assert made == {"15", "16", "18", "19", "23", "24", "26", "29"}
    caught = run_cli("catchup", "--no-progress", cwd=fresh)
    assert caught.returncode == 0, caught.stderr
    assert not {"missed", "failed"} & set(marks(fresh).values())
    assert run_cli("catchup", cwd=fresh).stderr == "nothing to catch up\n"
    run_cli("server", "stop", cwd=fresh)
    quiet = tmp_path_factory.mktemp("quiet")
    (quiet / "quantflow.toml").write_text(PROFILE)
    run_cli("server", "start", cwd=quiet)
    for day in DAYS[:10]:
        write(quiet, day)
        assert night(quiet).returncode == 0
        assert book(fresh, day) == book(quiet, day), day
    run_cli("server", "stop", cwd=quiet)
    ours, theirs = (
        [line.rsplit(",", 2)[0] for line in (home / "current" / "night" / "track.csv").read_text().splitlines()]
        for home in (fresh, quiet)
    )
    assert ours == theirs
    assert (fresh / "current" / "night" / "weights.csv").read_bytes() == book(fresh, DAYS[9])
    assert not (fresh / "current" / "night.STALE").exists()
    assert not [command for command in processes_of(fresh) if "quantflow.server.process" in command]
