"""Exposures of books: at each rebalance of the walk-forward, and of today's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.profile import Profile
from quantflow.data.panel import Panel
from quantflow.data.quality.roster import roster
from quantflow.pipeline.play import play
from quantflow.pipeline.registry import StageRegistry
from quantflow.stages.exposures import leanings
from quantflow.stages.validation import REPLAYED, ValidationStage
from stocks import twenty_stocks

SHORT: dict[str, dict[str, Any]] = {
    "features": {"lookback": 252},
    "scores": {"directions": ["LONG", "SHORT"]},
    "allocation": {"lookback": 252, "method": "equal_weight"},
    "rebalance": {"every": "quarterly"},
    "validation": {"min_history": 300, "benchmark": "KO"},
}


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """A profile of longs and shorts, with short lookbacks and a benchmark."""
    return Profile(name="test", **SHORT).settings()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def market() -> dict[str, Any]:
    """What ingestion gives of twenty stocks over 900 sessions; one ends early."""
    panel, instruments = twenty_stocks(900)
    nobody = Panel((), panel.sessions, {"close": np.empty((0, 900))})
    return {
        "prices": panel,
        "instruments": instruments,
        "past": nobody,
        "roster": roster(instruments, panel.symbols, None),
    }


@pytest.fixture(scope="module")
def outputs(market: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """What the walk-forward makes."""
    stage = ValidationStage()
    return dict(stage.run(market, stage.configured(settings)))  # type: ignore[arg-type]


def at(table: pd.DataFrame, day: Any, kind: str) -> dict[str, float]:
    """The net exposures of a kind at a decision, by name."""
    rows = table[(table["decided"] == day) & (table["kind"] == kind)]
    return dict(zip(rows["name"], rows["net"], strict=True))


def test_there_is_a_row_for_each_rebalance(outputs: dict[str, Any]) -> None:
    """Every decision that was traded has its exposures, under both its dates."""
    found, held = outputs["exposures"], outputs["oos_weights"]
    assert list(found.columns) == ["date", "decided", "kind", "name", "net", "gross"]
    pairs = found[["date", "decided"]].drop_duplicates().to_numpy().tolist()
    assert pairs == held[["date", "decided"]].drop_duplicates().to_numpy().tolist()


def test_groups_add_up_to_the_book(outputs: dict[str, Any]) -> None:
    """Net and gross weights of sectors, and of clusters, sum to those of the book at each date."""
    held = outputs["oos_weights"]
    for kind in ("sector", "cluster"):
        rows = outputs["exposures"][outputs["exposures"]["kind"] == kind].groupby("decided")
        by_day = held.groupby("decided")["weight"]
        np.testing.assert_allclose(rows["net"].sum(), by_day.sum(), atol=1e-12)
        np.testing.assert_allclose(rows["gross"].sum(), by_day.apply(lambda each: each.abs().sum()), atol=1e-12)


def test_betas_are_of_the_year_before(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """They equal the slope of the target's returns over the 252 sessions up to the decision, and know nothing later."""
    prices = market["prices"]
    for day in outputs["exposures"]["decided"].unique()[[0, -1]]:
        position = int(np.searchsorted(prices.sessions, np.datetime64(day, "D")))
        close = prices.close[:, position - 252 : position + 1]
        able = np.isfinite(close[:, -1])
        returns = pd.DataFrame(close[able, 1:] / close[able, :-1] - 1.0, index=np.array(prices.symbols)[able])
        held = outputs["oos_weights"].query("decided == @day").set_index("symbol")["weight"]
        book = held @ returns.loc[held.index]
        found = at(outputs["exposures"], day, "beta")
        for name, benchmark in (("equal_weight", returns.mean()), ("KO", returns.loc["KO"])):
            assert found[name] == pytest.approx(np.cov(book, benchmark)[0, 1] / benchmark.var(), abs=1e-10)


def test_leanings_are_those_of_a_run_on_that_date(
    market: dict[str, Any], outputs: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Tilts and groups equal those of the stages run by themselves on the data up to that date."""
    day = outputs["exposures"]["decided"].unique()[2]
    prices = market["prices"].up_to(np.datetime64(day, "D"))
    prices = prices.select([s for s, c in zip(prices.symbols, prices.close, strict=True) if np.isfinite(c[-1])])
    values = {"prices": prices, "instruments": market["instruments"].loc[list(prices.symbols)]}
    made = play([StageRegistry.get(name) for name in REPLAYED], values, settings, replay=True)
    z = (made["features"] - made["features"].mean()) / made["features"].std(ddof=0)
    held = made["weights"]["weight"]
    expected = (z.clip(-3, 3).loc[held.index].mul(held, axis=0)).sum() / held.abs().sum()
    tilts = at(outputs["exposures"], day, "feature")
    assert tilts["momentum"] == pytest.approx(expected["momentum"], abs=1e-10)
    assert tilts["volatility"] == pytest.approx(expected["volatility"], abs=1e-10)
    groups = {(one.kind, one.name): one.net for one in leanings(made) if one.kind != "feature"}
    assert groups == {
        (kind, name): net for kind in ("sector", "cluster") for name, net in at(outputs["exposures"], day, kind).items()
    }


def test_betas_of_names_are_of_the_last_year(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Each symbol has a beta to the equal weight of what may be used now, and to the chosen benchmark."""
    found = outputs["betas"]
    assert list(found.columns) == ["equal_weight", "KO"]
    assert list(found.index) == list(market["prices"].symbols)
    assert found.loc["KO", "KO"] == pytest.approx(1.0, abs=1e-12)
    assert found["equal_weight"].mean() == pytest.approx(1.0, abs=1e-12)


def test_weights_without_groups_have_no_group_weights() -> None:
    """The weights of a method of another package may be weights alone."""
    weights = pd.DataFrame({"weight": [0.5, 0.5]}, index=pd.Index(["A", "B"], name="symbol"))
    assert leanings({"weights": weights}) == ()
    features = pd.DataFrame({"momentum": [1.0, 2.0, 3.0]}, index=pd.Index(["A", "B", "C"]))
    (tilt,) = leanings({"weights": weights, "features": features})
    assert tilt.net == pytest.approx(-0.5 * 1 / np.sqrt(2 / 3))
