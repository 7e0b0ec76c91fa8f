"""A profile whose objective weighs what it costs to leave its book: decided at night as in the walk-forward."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from quantflow.config.load import load_meta, load_profile
from quantflow.desk.publish import publish
from quantflow.errors import ConfigError
from quantflow.review.hybrids import ways
from quantflow.review.reproduce import reproduce
from quantflow.review.reproduction import Verdict
from quantflow.runs.create import create_run
from quantflow.runs.run import Run
from ran import executed

PROFILE = """
[profiles.mine]
extends = "demo"
[profiles.mine.data]
start = 2019-01-01
[profiles.mine.allocation]
method = "min_variance"
turnover_cost = 10.0
[profiles.mine.validation]
min_history = 504
[meta.both]
sleeves = [{ profile = "mine" }, { profile = "demo" }]
"""
ENDS = (date(2022, 9, 30), date(2022, 10, 31), date(2022, 11, 30))


def night(home: Path, day: date, *overrides: str) -> Run:
    """Run the profile and publish."""
    run = executed(create_run(load_profile("mine", workspace=home, overrides=overrides), home, day))
    publish(run)
    return run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the profile."""
    home = tmp_path_factory.mktemp("incumbent")
    (home / "quantflow.toml").write_text(PROFILE)
    return home


@pytest.fixture(scope="module")
def nights(home: Path) -> list[Run]:
    """The runs that decided its book at three month ends."""
    return [night(home, day) for day in ENDS]


def test_nights_decide_what_the_walk_forward_decides(home: Path, nights: list[Run]) -> None:
    """From an empty book at the same session on, weights and incumbents of each decision are the walk-forward's."""
    sessions = nights[0].load("prices").sessions
    first = int(np.searchsorted(sessions, np.datetime64(ENDS[0])))
    proof = night(home, date(2022, 12, 15), f"validation.min_history={first + 1}")
    decided = proof.load("oos_weights").set_index("decided")
    assert len(nights[0].load("incumbent")) == 0
    for run, day in zip(nights, ENDS, strict=True):
        theirs = decided.loc[np.datetime64(day)].set_index("symbol")["weight"]
        assert dict(run.weights) == pytest.approx(dict(theirs), abs=1e-9)
    assert nights[1].load("incumbent")["weight"].sum() == pytest.approx(1.0)


def test_what_is_held_is_left_for_less(home: Path) -> None:
    """Without the cost the same nights trade more, and no run has an incumbent."""
    costed = night(home, date(2022, 12, 15), "validation.min_history=504").load("metrics")["strategy"]
    free = night(home, date(2022, 12, 15), "validation.min_history=504", "allocation.turnover_cost=0")
    assert costed["turnover_annual"] < 0.9 * free.load("metrics")["strategy"]["turnover_annual"]
    assert "incumbent" not in free.outputs


def test_a_decision_that_depends_on_the_book_can_be_reproduced(nights: list[Run], tmp_path: Path) -> None:
    """The record of a run holds what was held, so its weights come out again."""
    found = reproduce(nights[1], tmp_path, refetch=False, tell=lambda text: None)
    assert {row.stage: row.verdict for row in found.stages}["allocation"] is Verdict.SAME


def test_turnover_between_two_such_books_is_accounted_for(nights: list[Run]) -> None:
    """What was held counts as data: replays give both runs' weights, and no part is left to other code."""
    for after in nights[1:]:
        path = ways(nights[0], after, lambda text: None)
        assert path[0][2] == pytest.approx(dict(nights[0].weights))
        assert path[-1][2] == pytest.approx(dict(after.weights))


def test_a_sleeve_has_no_book_to_weigh(home: Path) -> None:
    """A meta profile with such a sleeve is refused in words."""
    with pytest.raises(ConfigError, match=r"the sleeve 'mine' has allocation\.turnover_cost, and no book of its own"):
        load_meta("both", workspace=home)
