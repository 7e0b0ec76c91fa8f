"""Nights of a portfolio of sleeves: decided as one, held as one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.config.load import load_meta
from quantflow.desk.market import market
from quantflow.desk.publish import publish
from quantflow.desk.target import target_of
from quantflow.errors import ConfigError
from quantflow.runs.book import current, track
from quantflow.runs.header import Kind
from quantflow.runs.run import Run
from ran import ran_meta

PROFILES = """
[profiles.calm]
extends = "demo"
[profiles.calm.data]
start = 2018-01-01
[profiles.calm.validation]
min_history = 504
[profiles.calm.policy]
top_n = 1
[profiles.steady]
extends = "calm"
[profiles.steady.scores.weights]
volatility = 1.0
[profiles.weekly]
extends = "calm"
[profiles.weekly.rebalance]
every = "weekly"
[meta.both]
sleeves = [{ profile = "calm" }, { profile = "steady" }]
[meta.mixed]
sleeves = [{ profile = "calm" }, { profile = "weekly" }]
"""
NIGHTS = (date(2022, 11, 28), date(2022, 11, 29), date(2022, 11, 30), date(2022, 12, 1), date(2022, 12, 2))


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Each of five nights across a month end, published."""
    home = tmp_path_factory.mktemp("meta")
    (home / "quantflow.toml").write_text(PROFILES)
    runs = []
    for day in NIGHTS:
        run = ran_meta(home, "both", as_of=day)
        publish(run)
        runs.append(run)
    return runs


def test_a_portfolio_decides_and_holds_as_a_profile_does(nights: list[Run]) -> None:
    """Its sleeves only bring prices on a session without a decision; the names stay those of the decision."""
    kinds = [run.header.decision.kind for run in nights]
    assert kinds == [Kind.FIRST, Kind.HOLD, Kind.REBALANCE, Kind.HOLD, Kind.HOLD]
    held = nights[1]
    assert held.header.stages == ("meta.holding",)
    assert {leaf.run.header.stages for leaf in held.leaves()} == {("ingestion", "holding")}
    assert set(held.weights) == set(nights[0].weights)
    assert set(nights[4].weights) == set(nights[2].weights)


def test_the_book_and_its_track_follow(nights: list[Run]) -> None:
    """A line per session; on the session after a decision what was traded and what it cost."""
    home = nights[0].workspace
    book = current(home, "both")
    assert book is not None
    assert (book.run_id, book.decided, book.next) == (nights[-1].id, "2022-11-30", "2022-12-30")
    lines = track(home, "both")
    assert [line.date for line in lines] == [day.isoformat() for day in NIGHTS[1:]]
    assert [line.turnover > 0 for line in lines] == [True, False, True, False]
    assert lines[2].run_id == nights[2].id


def test_the_track_is_the_walk_forward_of_the_portfolio(tmp_path: Path) -> None:
    """Once both hold the same assets, each session's return and the benchmark's are the walk-forward's, to rounding."""
    for name in ("book", "proof"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "quantflow.toml").write_text(PROFILES)
    for day in (date(2022, 11, 30), date(2022, 12, 28)):
        publish(ran_meta(tmp_path / "book", "both", as_of=day))
    proof = ran_meta(tmp_path / "proof", "both", as_of=date(2022, 12, 28)).load("oos_returns")
    lines = {line.date: line for line in track(tmp_path / "book", "both")}
    shared = [day for day in lines if day > "2022-12-01"]
    assert len(shared) > 15
    theirs = proof.loc[pd.DatetimeIndex(shared)]
    for column, ours in (("net", "net"), ("gross", "gross"), ("equal_weight", "benchmark")):
        mine = [getattr(lines[day], ours) for day in shared]
        np.testing.assert_allclose(mine, theirs[column], rtol=0, atol=1e-12, err_msg=column)


def test_orders_on_such_a_night_are_for_what_is_held(nights: list[Run]) -> None:
    """The target has the drifted weights, tonight's prices, and the facts that the deciding run knew."""
    home = nights[0].workspace
    target = target_of(home, None, "both")
    assert target.run.id == nights[-1].id
    assert dict(target.weights) == pytest.approx(nights[-1].weights)
    known = market(target.run, list(target.weights))
    assert {each.session for each in known.values()} == {"2022-12-02"}
    assert set(known) == set(target.weights)


def test_sleeves_of_another_rhythm_are_refused(tmp_path: Path) -> None:
    """What is validated sleeve by sleeve could not be traded as one book; the error names both rhythms."""
    (tmp_path / "quantflow.toml").write_text(PROFILES)
    with pytest.raises(ConfigError, match=r"monthly with a lag of 1, and its sleeve 'weekly' weekly"):
        load_meta("mixed", workspace=tmp_path)
    assert load_meta("both", workspace=tmp_path, overrides=["rebalance.lag=2"]).rebalance.lag == 2
