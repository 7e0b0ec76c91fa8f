"""The path of a name, and what differs between two runs, on stages that really ran."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quantflow.errors import ConfigError
from quantflow.review.compare import compare, previous
from quantflow.review.why.path import path_of
from quantflow.runs.run import Run
from ran import ran


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run, Run]:
    """The demo, the demo with one winner per cluster, and the first again."""
    home = tmp_path_factory.mktemp("why")
    return ran(home), ran(home, "policy.top_n=1"), ran(home)


def test_every_name_has_a_path_that_ends_in_its_weight(runs: tuple[Run, ...]) -> None:
    """All twenty: held ones end with their weight, others with the rule that stopped them, its limit and margin."""
    run = runs[0]
    store = run.context()
    weights = store.store().get(run.outputs["weights"])["weight"]
    decisions = store.store().get(run.outputs["decisions"])
    for symbol in decisions.index:
        path = path_of(run, symbol)
        assert json.loads(json.dumps(path.json()))["symbol"] == symbol
        assert path.weight == weights.get(symbol, 0.0)
        policy = next(step for step in path.steps if step.stage == "policy")
        row = decisions.loc[symbol]
        assert (policy.value, policy.limit, policy.margin) == (row["value"], row["limit"], row["margin"])
        held = path.steps[-1].stage == "allocation"
        assert held == (symbol in weights.index)
        assert path.change == path.changes[0].says
        assert path.change.startswith("It would drop out if" if held else "It would be selected if")


def test_an_unknown_name_is_answered_with_the_nearest(runs: tuple[Run, ...]) -> None:
    """A typo is named, with what it may have meant."""
    with pytest.raises(ConfigError, match="AAPLE") as caught:
        path_of(runs[0], "AAPLE")
    assert "'AAPL'" in str(caught.value.hint)


def test_a_former_member_is_answered_too(tmp_path: Path) -> None:
    """A name that the walk-forward knew and the selection did not: it is no member now, and no check failed."""
    names = ("AAPL", "AMD", "BAC", "BBY", "CVX", "HD", "JNJ", "JPM", "KO", "LLY", "MSFT", "PEP", "XOM")
    spans = [f"{name},2010-01-04,{'2020-06-30' if name == 'AMD' else ''}" for name in names]
    (tmp_path / "members.csv").write_text("\n".join(["symbol,from,to", *spans]))
    run = ran(tmp_path, f"universe.members={tmp_path / 'members.csv'}", until="ingestion")
    (step,) = path_of(run, "AMD").steps
    assert (step.stage, step.outcome) == ("ingestion", "not a member of the universe on that date")
    with pytest.raises(ConfigError, match="GE"):
        path_of(run, "GE")


def test_what_differs_is_told_and_nothing_else(runs: tuple[Run, ...]) -> None:
    """One changed setting: that setting, no data, the policy first; the turnover is half of what moved."""
    found = compare(runs[0], runs[1])
    assert found.settings == {"policy.top_n": (2, 1)}
    assert found.environment == {}
    assert found.data["same_prices"]
    assert (found.first, found.because) == ("policy", "config")
    moved = [abs((new or 0.0) - (old or 0.0)) for old, new in found.weights.values()]
    assert found.turnover == pytest.approx(sum(moved))
    assert moved == sorted(moved, reverse=True)
    assert found.counts["policy"][0] > found.counts["policy"][1]


def test_the_same_twice_differs_in_nothing(runs: tuple[Run, ...]) -> None:
    """Two runs of the same settings have the same weights to the bit, and no stage that differs."""
    found = compare(runs[0], runs[2])
    assert (found.weights, found.turnover, found.first, found.settings, found.counts) == ({}, 0.0, "", {}, {})
    assert previous(runs[2]).id == runs[1].id
    with pytest.raises(ConfigError, match="no complete run"):
        previous(runs[0])
