"""Twenty nights of the demo profile in real processes: the book is the strategy that was validated."""

from __future__ import annotations

import json
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from processes import run_cli
from quantflow.data import calendars
from quantflow.runs.book import track
from quantflow.runs.find import find_run

FIRST, LAST = date(2022, 10, 27), date(2022, 12, 2)
MONTH_ENDS = ("2022-10-31", "2022-11-30")


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What ``book.json`` and the run said after each night; the workspace under ``""``."""
    home = tmp_path_factory.mktemp("nights")
    days = [day.isoformat() for day in calendars.sessions("XNYS", FIRST, LAST).tolist()]
    assert len(days) > 20
    seen: dict[str, dict[str, object]] = {"": {"home": home}}
    run_cli("server", "start", cwd=home)
    try:
        for day in days:
            done = run_cli("select", "-p", "demo", "--as-of", day, "--no-progress", cwd=home)
            assert done.returncode == 0, done.stderr
            book = json.loads((home / "current" / "demo" / "book.json").read_bytes())
            seen[day] = {"book": book, "printed": done.stdout}
    finally:
        run_cli("server", "stop", cwd=home)
    return seen


def test_names_change_on_rebalance_sessions_alone(nights: dict[str, dict[str, object]]) -> None:
    """On every other night the book says when the next rebalance is, and its weights have drifted a little."""
    days = [day for day in nights if day]
    names = {day: set(nights[day]["book"]["weights"]) for day in days}  # type: ignore[index]
    for before, day in pairwise(days):
        if day not in MONTH_ENDS:
            assert names[day] == names[before], day
            assert "hold: next rebalance 2022-" in str(nights[day]["printed"])
    assert {nights[day]["book"]["decided"] for day in days} == {days[0], *MONTH_ENDS}  # type: ignore[index]


def test_the_track_is_the_walk_forwards_own(nights: dict[str, dict[str, object]]) -> None:
    """Returns to 1e-12 and turnover, from the first session on that both hold the same book."""
    home = nights[""]["home"]
    assert isinstance(home, Path)
    done = run_cli(
        *("select", "-p", "demo", "--as-of", LAST.isoformat(), "--set", "validation.min_history=757"),
        *("--run-id", "proof", "--no-progress"),
        cwd=home,
    )
    assert done.returncode == 0, done.stderr
    proof = find_run(home, "proof").load("oos_returns")
    lines = [line for line in track(home, "demo") if line.date > "2022-11-01"]
    assert len(lines) > 20
    theirs = proof.loc[pd.DatetimeIndex([line.date for line in lines])]
    np.testing.assert_allclose([line.net for line in lines], theirs["net"], rtol=0, atol=1e-12)
    np.testing.assert_allclose([line.benchmark for line in lines], theirs["equal_weight"], rtol=0, atol=1e-12)
    ours, walked = sum(line.turnover for line in lines), theirs["turnover"].sum()
    assert ours == pytest.approx(walked, rel=0.05)
    assert ours > 0.1


def test_status_says_what_is_held_and_how_it_did(nights: dict[str, dict[str, object]]) -> None:
    """When it was decided, when the next decision is due, and the track beside what was promised."""
    home = nights[""]["home"]
    assert isinstance(home, Path)
    shown = run_cli("status", cwd=home)
    assert "demo: decided 2022-11-30, next rebalance 2022-12-30; " in shown.stdout
    assert "within the promised" in shown.stdout
    (found,) = json.loads(run_cli("status", "--json", cwd=home).stdout)["profiles"]
    assert found["track"]["sessions"] == len([day for day in nights if day]) - 1
    assert found["track"]["outside"] is False
