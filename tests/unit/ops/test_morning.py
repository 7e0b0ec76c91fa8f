"""All profiles on one screen."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from quantflow.config.load import load_profile
from quantflow.data import calendars
from quantflow.desk.publish import publish
from quantflow.ops import morning as module
from quantflow.ops.morning import mornings
from quantflow.runs.book import current, write_stale
from quantflow.runs.create import create_run
from quantflow.runs.record import StageRecord
from quantflow.ui.morning import print_mornings, text_of
from ran import executed

LAST = date(2022, 12, 28)
TOML = """
[profiles.p]
extends = "demo"
[profiles.p.data]
start = 2017-01-01
[profiles.p.validation]
min_history = 504
[profiles.p.rebalance]
every = "quarterly"
"""


@pytest.fixture
def home(tmp_path: Path, mocker: MockerFixture) -> Path:
    """A workspace whose clock stands right after the sample's last session but one."""
    (tmp_path / "quantflow.toml").write_text(TOML)
    mocker.patch.object(calendars, "last_known", return_value=LAST)
    return tmp_path


def night(home: Path, day: date) -> str:
    """Run and publish a session."""
    run = executed(create_run(load_profile("p", workspace=home), home, day))
    publish(run)
    return run.id


def test_a_decision_is_explained_and_its_orders_named(home: Path) -> None:
    """The first book: all names are new, each with its score, and wait to be traded."""
    night(home, LAST)
    (found,) = mornings(home)
    assert (found.decision, found.came, found.went, found.age) == ("first", 10, 0, 0)
    assert all(move.before == 0.0 and "rank" in move.why for move in found.moves)
    assert found.orders is not None
    assert found.orders.turnover == pytest.approx(1.0)
    assert found.orders.left == 1


def test_a_session_that_holds_says_until_when(home: Path) -> None:
    """The book stays, is traded by then, and nothing is to be done."""
    night(home, date(2022, 12, 27))
    night(home, LAST)
    (found,) = mornings(home)
    assert (found.decision, found.moves, found.orders) == ("hold", (), None)
    assert "hold     until 2022-12-30" in text_of(found)
    assert "track    " in text_of(found)


def test_what_is_wrong_is_said_with_the_way_on(home: Path) -> None:
    """A failed session, missing ones, a stale book."""
    night(home, date(2022, 12, 22))
    failed = create_run(load_profile("p", workspace=home), home, LAST)
    failed.write_stage(StageRecord("ingestion", "failed", error={"message": "no prices"}))
    book = current(home, "p")
    assert book is not None
    write_stale(home, "p", book, failed.id, ["it failed: no prices"])
    (found,) = mornings(home)
    assert found.state == "failed"
    assert found.wrong[0] == f"2022-12-28 failed: no prices  quantflow resume {failed.id}"
    assert found.wrong[1] == "2 of the last sessions have no complete run, from 2022-12-23  quantflow catchup"
    assert "did not replace it" in found.wrong[2]


def test_those_with_something_wrong_come_last(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The prompt is below them."""
    night(home, LAST)
    good = mornings(home)[0]
    bad = module.Morning(**{**vars(good), "profile": "a", "wrong": ("it broke",)})
    print_mornings([bad, module.Morning(**{**vars(good), "wrong": ()})])
    lines = capsys.readouterr().out.splitlines()
    heads = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert heads == ["p", "a", "2"]
    assert lines[-1] == "2 profiles: 1 with something wrong"
