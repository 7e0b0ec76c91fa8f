"""The current book: moved whole, by runs that pass the gates, and by no others."""

from __future__ import annotations

import json
import shutil
import signal
from datetime import date
from pathlib import Path

import pytest

from quantflow.config.load import load_meta
from quantflow.config.operation import PublishConfig
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
rebalance = "quarterly"
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
    import pandas as pd

    found = {
        "weights": pd.DataFrame({"weight": [0.9, 0.4, float("nan")]}, index=["A", "B", "C"]),
        "metrics": {"strategy": {"sharpe": 12.0, "max_drawdown": 1.2, "cagr": float("inf")}},
    }
    monkeypatch.setattr("quantflow.runs.run.Run.load", lambda self, name: found[name])
    reasons = "; ".join(held_back(runs[1], PublishConfig(), None))
    for word in ("the weight of C is nan", "its Sharpe ratio is 12.0", "its largest drawdown", "its cagr is inf"):
        assert word in reasons
    found["weights"] = found["weights"].iloc[:2]  # type: ignore[attr-defined]
    assert "the weights sum to 1.3000" in "; ".join(held_back(runs[1], PublishConfig(), None))


@pytest.mark.parametrize(
    ("override", "is_one"),
    [('meta.execution.runner="local"', False), ("meta.allocation.lookback=252", True), ("policy.top_n=1", True)],
)
def test_how_a_meta_run_is_run_makes_no_experiment_of_it(override: str, is_one: bool, tmp_path: Path) -> None:
    """A runner is not a setting of the portfolio; a setting of it, or of a sleeve, is."""
    meta = load_meta("demo_meta", workspace=tmp_path, overrides=[override])
    record = create_run(meta, tmp_path, date(2022, 12, 28))
    assert _is_experiment(record) is is_one
