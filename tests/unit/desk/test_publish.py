"""The current book: moved whole, by runs that pass the gates, and by no others."""

from __future__ import annotations

import json
import shutil
import signal
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.config.load import load_meta
from quantflow.config.operation import PublishConfig
from quantflow.data.quality.contracts import found, quality_frame
from quantflow.desk.publish import _is_experiment, held_back, mark_stale, publish, stale_when_it_fails
from quantflow.errors import DegradedError, Interrupted
from quantflow.review.facts import facts_of
from quantflow.runs.book import Book, current, stale
from quantflow.runs.create import create_run
from quantflow.runs.run import Run
from ran import ran

PROFILE = """
[profiles.mine]
extends = "demo"
[profiles.mine.data]
start = 2017-01-01
[profiles.mine.validation]
min_history = 504
[profiles.mine.rebalance]
every = "quarterly"
"""
EARLIER = date(2022, 11, 30)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """A run, and one of a later session."""
    home = tmp_path_factory.mktemp("book")
    (home / "quantflow.toml").write_text(PROFILE)
    return ran(home, profile="mine", as_of=EARLIER), ran(home, profile="mine")


def test_the_book_moves_on_and_never_back(runs: tuple[Run, Run]) -> None:
    """A later session replaces the book, an earlier one does not, and the same run finds its own."""
    early, late = runs
    home = early.workspace
    assert publish(early) == home / "current" / "mine"
    assert (home / "current" / "mine" / "weights.csv").read_bytes() == (early.folder / "weights.csv").read_bytes()
    assert publish(late) == home / "current" / "mine"
    book = current(home, "mine")
    assert book is not None
    assert (book.run_id, book.as_of) == (late.id, "2022-12-28")
    assert publish(early) is None
    assert publish(late) == home / "current" / "mine"
    assert current(home, "mine") == book
    kept = {path.name.rpartition(".")[0] for path in (home / "current" / ".books" / "mine").iterdir()}
    assert kept == {early.id, late.id}, "the former one stays for those who are reading it"


def test_the_report_is_told_the_book_that_the_run_is_to_replace(runs: tuple[Run, Run]) -> None:
    """A run hears of the book of an earlier session, with its weights; not of its own, nor of a later one."""
    early, late = runs
    told = early.workspace / "current" / "mine" / "book.json"
    told.parent.mkdir(parents=True, exist_ok=True)
    kept = told.read_bytes() if told.exists() else None
    book = {"run_id": early.id, "as_of": "2022-11-30", "weights": {"AAPL": 0.5, "KO": 0.5}}
    told.write_text(json.dumps(book))
    assert facts_of(late)["former"] == book
    assert facts_of(early)["former"] is None
    told.write_text(json.dumps({**book, "run_id": "other", "as_of": "2022-12-28"}))
    assert facts_of(early)["former"] is None
    if kept is None:
        shutil.rmtree(told.parent)
    else:
        told.write_bytes(kept)


def test_an_experiment_is_not_published(tmp_path: Path) -> None:
    """A run with ``--set`` is not the profile's, and leaves no book and no mark."""
    run = ran(tmp_path)
    assert publish(run) is None
    mark_stale(run, ["it failed"])
    assert not (tmp_path / "current").exists()


def test_a_run_that_is_held_back_leaves_the_book_and_says_so_beside_it(runs: tuple[Run, Run]) -> None:
    """Too much turnover: the former book stays, STALE names run and reason; a good one takes STALE away."""
    early, late = runs
    home = early.workspace
    told = home / "current" / "mine" / "book.json"
    if not told.exists():
        publish(early)
    facts = json.loads(told.read_bytes())
    told.write_text(json.dumps({**facts, "run_id": "other", "as_of": "2022-12-01", "weights": {"AAPL": 1.0}}))
    held = late.header.settings["publish"]
    held["max_turnover"] = 1.0
    try:
        with pytest.raises(DegradedError, match=r"beyond publish\.max_turnover 100\.00%") as caught:
            publish(late)
    finally:
        held["max_turnover"] = None
    assert caught.value.exit_code == 23
    stale = home / "current" / "mine.STALE"
    assert late.id in stale.read_text()
    book = current(home, "mine")
    assert book is not None
    assert book.run_id == "other"
    assert publish(late) is not None
    assert not stale.exists()


@pytest.mark.parametrize(
    ("error", "says"), [(Interrupted(signal.SIGTERM), "it was interrupted by SIGTERM"), (ValueError("x"), "failed: x")]
)
def test_a_run_that_does_not_complete_marks_the_book(error: BaseException, says: str, runs: tuple[Run, Run]) -> None:
    """How it ended is said beside the book, in one word for all ways to be interrupted."""
    early, late = runs
    home = early.workspace
    publish(late)
    with pytest.raises(type(error)), stale_when_it_fails(late):
        raise error
    assert says in (stale(home, "mine") or "")
    with pytest.raises(type(error)), stale_when_it_fails(early):
        raise error
    assert early.id not in (stale(home, "mine") or ""), "an older session says nothing of a newer book"
    publish(late)
    assert stale(home, "mine") is None


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (PublishConfig(max_weight=0.1), "beyond publish.max_weight 10.00%"),
        (PublishConfig(max_turnover=0.01), "the turnover is"),
    ],
)
def test_each_gate_names_what_it_found(runs: tuple[Run, Run], config: PublishConfig, says: str) -> None:
    """Nothing holds a sound run back by default; each limit that is set does, with its figure."""
    there = Book("other", "2022-12-01", {"AAPL": 1.0})
    assert list(held_back(runs[1], PublishConfig(), there)) == []
    assert any(says in reason for reason in held_back(runs[1], config, there))


def test_impossible_weights_and_figures_are_held_back(runs: tuple[Run, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not finite, beyond the budget, a Sharpe ratio of 12, a drawdown beyond everything: each is named."""
    made = {
        "weights": pd.DataFrame({"weight": [0.9, 0.4, float("nan")]}, index=["A", "B", "C"]),
        "metrics": {"strategy": {"sharpe": 12.0, "max_drawdown": 1.2, "cagr": float("inf"), "volatility": 5.06}},
        "quality": quality_frame([]),
    }
    monkeypatch.setattr("quantflow.runs.run.Run.load", lambda self, name: made[name])
    monkeypatch.setattr("quantflow.runs.run.Run.weights", property(lambda self: dict(made["weights"]["weight"])))
    reasons = "; ".join(held_back(runs[1], PublishConfig(), None))
    for word in ("the weight of C is nan", "its Sharpe ratio is 12.0", "its largest drawdown", "its cagr is inf"):
        assert word in reasons
    assert "its volatility is 506%, beyond 300%, which no portfolio of daily bars has" in reasons
    made["metrics"] = {"strategy": {"cagr": 5.4, "volatility": 2.9}}
    reasons = "; ".join(held_back(runs[1], PublishConfig(), None))
    assert "its return a year is 540%, beyond 500%" in reasons
    assert "volatility" not in reasons
    made["weights"] = made["weights"].iloc[:2]  # type: ignore[attr-defined]
    assert "the weights sum to 1.3000" in "; ".join(held_back(runs[1], PublishConfig(), None))


FILES = """
[profiles.p.data]
provider = "files"
path = "prices.csv"
[profiles.p.policy]
min_winners = 2
[profiles.p.validation]
min_history = 400
"""


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"KO": ("2022-09-06", 100.0), "AAPL": ("2022-09-06", 0.05)}, ("KO", "AAPL")),
        ({"MSFT": ("2022-12-28", 0.5)}, ("MSFT",)),
        ({"XOM": ("2022-12-27", 2 / 3)}, ("XOM",)),
        ({}, ()),
    ],
)
def test_prices_that_jump_complete_and_are_not_published(
    changes: dict[str, tuple[str, float]], named: tuple[str, ...], tmp_path: Path
) -> None:
    """A split or unit left in, also in the last two closes: the run completes, the reason names symbol and day."""
    names = ("AAPL", "MSFT", "KO", "XOM", "JPM", "PFE")
    days = pd.bdate_range("2021-01-04", "2022-12-28", name="Date")
    random = np.random.default_rng(1)
    steps = random.normal(4e-4, 0.012, (len(days), 6)) + random.normal(0, 0.006, (len(days), 1))
    closes = pd.DataFrame(100 * np.exp(np.cumsum(steps, 0)), index=days, columns=list(names)).round(2)
    for name, (day, factor) in changes.items():
        closes.loc[day:, name] *= factor
    closes.to_csv(tmp_path / "prices.csv")
    (tmp_path / "quantflow.toml").write_text(FILES)
    run = ran(tmp_path, profile="p")
    if not named:
        assert publish(run) is not None
        return
    with pytest.raises(DegradedError) as caught:
        publish(run)
    assert caught.value.exit_code == 23
    for name in named:
        assert f"{name}: the close of {changes[name][0]} is" in caught.value.message
    assert current(tmp_path, "p") is None


@pytest.mark.parametrize(
    ("day", "symbol", "on_jump", "held"),
    [
        ("2022-12-28", "KO", "hold", True),
        ("2021-01-04", "KO", "hold", True),
        ("2019-01-04", "KO", "hold", False),
        ("2022-12-28", "GONE", "hold", False),
        ("2022-12-28", "KO", "warn", False),
    ],
)
def test_a_jump_in_sight_of_the_selection_holds_the_book_back(
    day: str, symbol: str, on_jump: str, held: bool, runs: tuple[Run, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One within the sessions that the stages look back on, of a name that could be held; not if the profile warns."""
    run, load = runs[1], Run.load
    jump = found(symbol, "jump", (50.0, 15.0), f"the close of {day} jumped.", "hold", day)
    quality = quality_frame([jump])
    monkeypatch.setattr(Run, "load", lambda self, name: quality if name == "quality" else load(self, name))
    monkeypatch.setitem(run.header.settings["data"], "on_jump", on_jump)
    reasons = "; ".join(held_back(run, PublishConfig(), None))
    assert (f"KO: the close of {day} jumped. Fix the price" in reasons) is held
    assert (f'"KO {day}" to data.real_moves' in reasons) is held


@pytest.mark.parametrize(
    ("override", "is_one"),
    [('meta.execution.runner="local"', False), ("meta.allocation.lookback=252", True), ("policy.top_n=1", True)],
)
def test_how_a_meta_run_is_run_makes_no_experiment_of_it(override: str, is_one: bool, tmp_path: Path) -> None:
    """A runner is not a setting of the portfolio; a setting of it, or of a sleeve, is."""
    meta = load_meta("demo_meta", workspace=tmp_path, overrides=[override])
    record = create_run(meta, tmp_path, date(2022, 12, 28))
    assert _is_experiment(record) is is_one
