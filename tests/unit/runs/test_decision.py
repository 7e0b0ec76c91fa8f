"""Twenty nights and more of one profile: which of them decide, what is held, and the track that comes of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.config.load import load_profile
from quantflow.data import calendars
from quantflow.data.track import band
from quantflow.desk.publish import publish
from quantflow.errors import IntegrityError
from quantflow.review.facts import facts_of
from quantflow.runs.book import current, track
from quantflow.runs.create import create_run
from quantflow.runs.decision import current_position
from quantflow.runs.done import find_done
from quantflow.runs.header import Kind, RunOptions
from quantflow.runs.run import Run
from quantflow.stages.report import track as report_track
from ran import executed, ran

PROFILE = """
[profiles.mine]
extends = "demo"
[profiles.mine.data]
start = 2019-01-01
[profiles.mine.validation]
min_history = 504
"""
FIRST, LAST = date(2022, 10, 20), date(2022, 12, 5)


def night(home: Path, day: date, *, by_hand: bool = False) -> Run:
    """What a nightly job does: run the profile and publish."""
    loaded = load_profile("mine", workspace=home)
    run = executed(create_run(loaded, home, day, options=RunOptions(by_hand=by_hand)))
    publish(run)
    return run


def sessions(first: date = FIRST, last: date = LAST) -> list[date]:
    found: list[date] = calendars.sessions("XNYS", first, last).tolist()
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "quantflow.toml").write_text(PROFILE)
    return tmp_path


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[date, Run]]:
    """Each night across two month ends."""
    home = tmp_path_factory.mktemp("quiet")
    (home / "quantflow.toml").write_text(PROFILE)
    return home, {day: night(home, day) for day in sessions()}


def test_names_change_on_rebalance_sessions_alone(quiet: tuple[Path, dict[date, Run]]) -> None:
    """The first night begins the book, month ends decide, all others hold the same names and say until when."""
    kinds = {day: run.header.decision.kind for day, run in quiet[1].items()}
    decides = {FIRST: Kind.FIRST, date(2022, 10, 31): Kind.REBALANCE, date(2022, 11, 30): Kind.REBALANCE}
    assert kinds == {day: decides.get(day, Kind.HOLD) for day in sessions()}
    names = {day: sorted(run.weights) for day, run in quiet[1].items()}
    changes = [
        after for before, after in zip(sessions(), sessions()[1:], strict=False) if names[after] != names[before]
    ]
    assert set(changes) <= set(decides)
    held = quiet[1][date(2022, 11, 2)]
    assert "hold: next rebalance 2022-11-30" in {s.summary.note for s in held.stages.values() if s}
    assert list(held.header.stages) == ["ingestion", "holding"]


def test_the_track_is_the_walk_forward(quiet: tuple[Path, dict[date, Run]]) -> None:
    """Once both hold the same book, the returns of each session are the walk-forward's own, to rounding."""
    home, _ = quiet
    last = ran(home, profile="mine", as_of=LAST)  # a night without a decision has no walk-forward
    assert last.header.decision.hold
    loaded = load_profile("mine", workspace=home, overrides=["validation.min_history=505"])
    proof = executed(create_run(loaded, home, LAST)).load("oos_returns")
    lines = {line.date: line for line in track(home, "mine")}
    shared = [day for day in lines if day > "2022-11-01"]
    assert len(shared) > 20
    theirs = proof.loc[pd.DatetimeIndex(shared)]
    for column, ours in (("net", "net"), ("gross", "gross"), ("turnover", "turnover"), ("equal_weight", "benchmark")):
        mine = [getattr(lines[day], ours) for day in shared]
        np.testing.assert_allclose(mine, theirs[column], rtol=0, atol=1e-12, err_msg=column)


def test_nights_without_a_run_change_nothing(quiet: tuple[Path, dict[date, Run]], home: Path) -> None:
    """Where only the nights that decide are run, book and track are those of every night."""
    for day in (FIRST, date(2022, 10, 31), date(2022, 11, 30), LAST):
        night(home, day)
    theirs, ours = ([vars(line) | {"run_id": ""} for line in track(each, "mine")] for each in (quiet[0], home))
    assert [line["date"] for line in ours] == [line["date"] for line in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, abs=1e-15)
    books = [current(each, "mine") for each in (quiet[0], home)]
    assert books[0] is not None
    assert books[1] is not None
    assert books[1].weights == pytest.approx(books[0].weights)


def test_a_missed_rebalance_is_made_on_the_next_session(home: Path) -> None:
    """It is marked late, with the session on which it was due; the next one is due as if nothing had happened."""
    night(home, FIRST)
    late = night(home, date(2022, 11, 2))
    assert (late.header.decision.kind, late.header.decision.due) == (Kind.LATE, "2022-10-31")
    assert late.header.decision.next == "2022-11-30"
    assert night(home, date(2022, 11, 3)).header.decision.hold


def test_a_missed_session_is_made_up_as_it_would_have_been(quiet: tuple[Path, dict[date, Run]], home: Path) -> None:
    """A run of a session before the book's is what it would have been then; the book does not go back."""
    night(home, FIRST)
    night(home, date(2022, 11, 2))
    book = current(home, "mine")
    missed = night(home, date(2022, 10, 31))
    assert missed.header.decision.kind is Kind.REBALANCE
    assert missed.weights == quiet[1][date(2022, 10, 31)].weights
    assert current(home, "mine") == book


def test_by_hand_decides_today_and_changes_no_rhythm(home: Path) -> None:
    """An intervention is recorded as one, repeated by the same command, and the next rebalance stays due."""
    night(home, FIRST)
    day = date(2022, 10, 25)
    run = night(home, day, by_hand=True)
    assert run.header.decision.kind is Kind.BY_HAND
    again = night(home, day)
    assert again.header.decision.kind is Kind.BY_HAND
    assert again.weights == run.weights
    assert night(home, date(2022, 10, 26)).header.decision.hold
    assert night(home, date(2022, 10, 31)).header.decision.kind is Kind.REBALANCE


def test_what_is_done_already_is_of_the_same_kind(home: Path) -> None:
    """A session that was held is done for the nightly job, and is not for who asks for a decision."""
    night(home, FIRST)
    held = night(home, date(2022, 10, 25))
    loaded = load_profile("mine", workspace=home)
    found = find_done(loaded, home, date(2022, 10, 25))
    assert found is None or found.id == held.id
    assert find_done(loaded, home, date(2022, 10, 25), by_hand=True) is None


def test_an_experiment_decides_and_leaves_the_book_alone(home: Path) -> None:
    """A run with ``--set`` always has weights and a walk-forward."""
    night(home, FIRST)
    book = current(home, "mine")
    loaded = load_profile("mine", workspace=home, overrides=["policy.top_n=3"])
    run = executed(create_run(loaded, home, date(2022, 10, 25)))
    assert run.header.decision.kind is Kind.APART
    assert "metrics" in run.outputs
    assert publish(run) is None
    assert current(home, "mine") == book


def test_a_changed_track_is_refused(home: Path) -> None:
    """A figure, a line taken out or put in: nothing is published on top of it, and the error names the line."""
    night(home, FIRST)
    night(home, date(2022, 10, 25))
    place = home / "current" / "mine" / "track.csv"
    rows = place.read_text().splitlines()
    for changed in ([*rows[:1], *rows[2:]], [rows[0], rows[1].replace("-0.0006", "-0.0005"), *rows[2:]]):
        place.write_text("\n".join(changed) + "\n")
        with pytest.raises(IntegrityError, match=r"Line 2 of .*track\.csv is not what was written"):
            track(home, "mine")
    place.write_text("\n".join(rows) + "\n")
    assert len(track(home, "mine")) == 3


def test_a_position_that_cannot_be_read_says_what_to_do(home: Path) -> None:
    """No decision is made on a guess of what is held."""
    night(home, FIRST)
    (home / "current" / "mine" / "position.json").write_text("{}")
    with pytest.raises(IntegrityError, match="cannot be read") as caught:
        current_position(home, "mine")
    assert "begin another book" in str(caught.value.hint)


def test_the_track_stands_beside_what_was_promised(quiet: tuple[Path, dict[date, Run]]) -> None:
    """The band is that of the walk-forward's mean and deviation; a track far outside says so."""
    home, _ = quiet
    book = current(home, "mine")
    assert book is not None
    net, pool = (np.array([getattr(line, name) for line in track(home, "mine")]) for name in ("net", "benchmark"))
    found = band(net, pool, book.promised)
    assert found.sessions == len(sessions()) - 1
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.0 < found.high
    assert not found.outside
    assert band(net, pool, {"mean": 0.1, "deviation": 0.001}).outside


def test_the_report_shows_the_track_up_to_its_session(quiet: tuple[Path, dict[date, Run]]) -> None:
    """Page and brief say what the book had earned by then since it was published, and the band."""
    home, runs = quiet
    inputs = {"run": facts_of(runs[date(2022, 11, 30)])}
    lines = [line for line in track(home, "mine") if line.date <= "2022-11-30"]
    growth = np.prod([1.0 + line.net for line in lines]) - 1.0
    (said,) = report_track.line(inputs)
    assert said.startswith(f"Track: {growth:+.2%}".replace("-", "−") + f" in {len(lines)} sessions, benchmark ")
    assert "within the promised" in said
    page = report_track.tracked(inputs)
    assert f"Since {lines[0].date}" in page
    assert page.count("<polyline") == 4
    first = {"run": facts_of(runs[FIRST])}
    assert report_track.line(first) == []
    assert "No session has passed" in report_track.tracked(first)
