"""The walk-forward across sleeves: no look-ahead, drift, costs, and what the figures mean."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.data.quality.costs import costs_frame
from quantflow.errors import DataError
from quantflow.quant.costs import Costs
from quantflow.quant.held import carry
from quantflow.quant.metrics import summarise
from quantflow.stages.meta.optimisation import OptimisationStage
from quantflow.stages.meta.validation import MetaValidationStage

NAMES = ("one", "two", "three")
SETTINGS: dict[str, Any] = {
    "allocation": {"method": "min_variance", "lookback": 120},
    "budget": 1.0,
    "sleeves": [{"id": name, "profile": "p"} for name in NAMES],
    "rebalance": {"every": "monthly"},
    "validation": {"min_history": 130, "commission_bps": 4.0, "slippage_bps": 6.0},
    "calendar": {"name": "XNYS"},
}


def streams(sessions: int = 500) -> pd.DataFrame:
    """Three sleeves on weekdays, whose volatilities wander."""
    rng = np.random.default_rng(4)
    wander = np.exp(np.cumsum(rng.normal(0, 0.03, (sessions, 3)), axis=0))
    values = rng.normal(0.0005, 0.008, (sessions, 3)) * wander
    dates = pd.bdate_range("2018-01-02", periods=sessions, name="date")
    return pd.DataFrame(np.clip(values, -0.2, 0.2), dates, list(NAMES))


def settings(**changes: dict[str, Any] | float) -> dict[str, Any]:
    """Return the settings with some sections changed."""
    merged = {k: {**SETTINGS[k], **v} if isinstance(v, dict) else v for k, v in changes.items()}
    return SETTINGS | merged


def single(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the inputs of sleeves that hold one asset each, of the sleeve's name, from the first session on."""
    trades = pd.DataFrame({"sleeve": NAMES, "date": frame.index[0], "symbol": NAMES, "weight": 1.0})
    return {
        "streams": frame,
        "benchmarks": frame[[NAMES[0]] * 3].set_axis(list(NAMES), axis=1),
        "sleeve_trades": trades,
        "asset_returns": frame[sorted(NAMES)],
        "asset_tradable": frame[sorted(NAMES)].notna(),
        "asset_costs": costs_frame({}),
    }


def validate(frame: pd.DataFrame | None = None, **changes: dict[str, Any] | float) -> dict[str, Any]:
    """Return the stage's outputs for sleeves of one asset each."""
    return validated(single(streams() if frame is None else frame), **changes)


def validated(inputs: dict[str, Any], **changes: dict[str, Any] | float) -> dict[str, Any]:
    """Return the stage's outputs."""
    stage = MetaValidationStage()
    return dict(stage.run(inputs, stage.configured(settings(**changes))))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def outputs() -> dict[str, Any]:
    """The walk-forward of the standard settings."""
    return validate()


def test_it_trades_on_the_last_sessions_of_months(outputs: dict[str, Any]) -> None:
    """Decisions fall on month ends after the minimum history; the stream starts the session after the first."""
    index = streams().index
    ends = pd.Series(index, index=index).groupby(index.to_period("M")).last()
    expected = [day for day in ends if index[129] <= day < index[-1]]
    assert list(outputs["oos_capital"]["decided"].unique()) == expected
    traded = [index[index.get_loc(day) + 1] for day in expected]
    assert list(outputs["oos_capital"]["date"].unique()) == traded
    assert list(outputs["oos_returns"].columns) == ["net", "gross", "cost", "turnover", "equal_weight", "equal_sleeves"]
    assert list(outputs["oos_returns"].index) == list(index[index >= traded[0]])


def test_weights_are_those_of_optimisation_on_that_date(outputs: dict[str, Any]) -> None:
    """A rebalance's weights equal those that the optimisation stage gives with the streams up to that session."""
    held = outputs["oos_capital"]
    stage = OptimisationStage()
    for date in held["decided"].unique()[[0, 5]]:
        known = {"streams": streams().loc[:date]}
        expected = stage.run(known, stage.configured(SETTINGS))["sleeve_weights"]["weight"]  # type: ignore[arg-type]
        then = held[held["decided"] == date].set_index("symbol")["weight"]
        assert then.to_dict() == expected[expected > 0].to_dict()


def by_hand(frame: pd.DataFrame, held: pd.DataFrame, rate: float) -> np.ndarray:
    """Return net returns session by session: earn, drift, then pay for the trade at the close."""
    grid = held.pivot(index="date", columns="symbol", values="weight").reindex(columns=frame.columns).fillna(0.0)
    cash, position, before, net = 1.0, np.zeros(3), 1.0, []
    for date, returns in frame.loc[grid.index[0] :].iterrows():
        position = position * (1 + returns.to_numpy())
        wealth = cash + position.sum()
        if date in grid.index:
            target = grid.loc[date].to_numpy()
            wealth -= rate * wealth * np.abs(target - position / wealth).sum()
            position = target * wealth
            cash = wealth - position.sum()
        net.append(wealth / before - 1)
        before = wealth
    return np.array(net)


@pytest.mark.parametrize("budget", [1.0, 0.5])
def test_returns_are_those_of_a_ledger(budget: float) -> None:
    """Net returns equal a ledger that keeps positions and cash, lets them drift, and pays 10 basis points."""
    found = validate(budget=budget)
    expected = by_hand(streams(), found["oos_capital"], 1e-3)
    np.testing.assert_allclose(found["oos_returns"]["net"], expected, atol=1e-14)


def test_the_benchmark_is_equal_parts_after_costs(outputs: dict[str, Any]) -> None:
    """Equal sleeves are set to equal parts of the budget on the same sessions, and drifts in between."""
    held = outputs["oos_capital"]
    dates = held["date"].unique()
    rows = [(date, name, 1 / 3) for date in dates for name in NAMES]
    expected = by_hand(streams(), pd.DataFrame(rows, columns=["date", "symbol", "weight"]), 1e-3)
    np.testing.assert_allclose(outputs["oos_returns"]["equal_sleeves"], expected, atol=1e-14)
    half = validate(budget=0.5, allocation={"method": "equal_weight"})["oos_returns"]
    np.testing.assert_allclose(half["net"], half["equal_sleeves"], atol=1e-15)


def test_equal_weight_is_that_of_the_universes(outputs: dict[str, Any]) -> None:
    """The universes' own equal weight, in equal parts: where all sleeves have one universe, that universe's."""
    returns = outputs["oos_returns"]
    pool = streams().loc[returns.index[1] :, "one"].to_numpy()
    trades = outputs["oos_capital"]["date"].unique()
    quiet = ~returns.index[1:].isin(trades)
    np.testing.assert_allclose(returns["equal_weight"].to_numpy()[1:][quiet], pool[quiet], atol=1e-15)
    assert "turnover_annual" not in outputs["metrics"]["equal_weight"]


def swapped(every: int = 20) -> dict[str, Any]:
    """Return two sleeves that hand two assets to and fro: what one sells is what the other buys."""
    frame = streams()
    names, days = ["one", "two"], frame.index[::every]
    rows = [
        (sleeve, day, names[(turn + number) % 2], 1.0)
        for turn, day in enumerate(days)
        for number, sleeve in enumerate(names)
    ]
    inputs = single(frame) | {"sleeve_trades": pd.DataFrame(rows, columns=["sleeve", "date", "symbol", "weight"])}
    return inputs | {name: inputs[name][names] for name in ("streams", "benchmarks")}


def test_what_sleeves_trade_with_each_other_costs_nothing() -> None:
    """Sleeves that swap their assets change no net position by it: turnover is what drift makes, not 200 % a swap."""
    equal = {"allocation": {"method": "equal_weight"}, "sleeves": [{"id": "one"}, {"id": "two"}]}
    found = validated(swapped(), **equal)  # type: ignore[arg-type]
    traded = found["oos_returns"]["turnover"].iloc[1:]
    assert (traded > 0.0).sum() > 20
    assert traded.max() < 0.15


def test_what_sleeves_trade_is_paid_by_the_portfolio() -> None:
    """Each swap of both assets at once, in the same direction, is traded in full between the moves of capital."""
    inputs = swapped()
    both = inputs["sleeve_trades"].groupby("date")["symbol"].transform("first")
    inputs["sleeve_trades"] = inputs["sleeve_trades"].assign(symbol=both)
    equal = {"allocation": {"method": "equal_weight"}, "sleeves": [{"id": "one"}, {"id": "two"}]}
    returns = validated(inputs, **equal)["oos_returns"]  # type: ignore[arg-type]
    swaps = returns.index.intersection(inputs["sleeve_trades"]["date"])[1:]
    np.testing.assert_allclose(returns.loc[swaps, "turnover"], 2.0, atol=1e-12)
    np.testing.assert_allclose(returns.loc[swaps, "cost"], 2e-3, atol=1e-15)


def test_the_portfolio_earns_what_a_book_of_its_assets_earns() -> None:
    """Traded to ``oos_weights`` session by session, a book has the returns, costs and turnover of the walk-forward."""
    found = validated(swapped(35), sleeves=[{"id": "one"}, {"id": "two"}])  # type: ignore[arg-type]
    returns, targets = found["oos_returns"], found["oos_weights"]
    assets = streams().loc[returns.index, ["one", "two"]].to_numpy().T
    dates = list(returns.index)
    trades = {
        dates.index(day): dict(zip(rows["symbol"], rows["weight"], strict=True))
        for day, rows in targets.groupby("date")
    }
    book = carry({}, trades, ["one", "two"], assets[:, 1:], np.ones(assets.shape, dtype=bool), Costs(4.0, 6.0))
    for name in ("net", "gross", "cost", "turnover"):
        np.testing.assert_allclose(getattr(book.earned, name), returns[name], atol=1e-13, rtol=0)


@pytest.mark.parametrize("invested", [["one", "two"], []])
def test_a_sleeve_that_was_never_invested_is_cash(invested: list[str]) -> None:
    """Its capital earns nothing and pays nothing; a portfolio of none but such is all cash."""
    inputs = single(streams())
    idle = [name for name in NAMES if name not in invested]
    inputs["streams"] = inputs["streams"].assign(**dict.fromkeys(idle, 0.0))
    inputs["sleeve_trades"] = inputs["sleeve_trades"][inputs["sleeve_trades"]["symbol"].isin(invested)]
    inputs |= {name: inputs[name][invested] for name in ("asset_returns", "asset_tradable")}
    found = validated(inputs, allocation={"method": "equal_weight"})
    held = found["oos_weights"].groupby("date")["weight"].sum()
    assert np.allclose(held, len(invested) / 3)
    assert (found["oos_returns"]["turnover"] > 0).any() == bool(invested)


def test_nothing_looks_ahead(outputs: dict[str, Any]) -> None:
    """Other returns after a session leave every weight and return up to it untouched."""
    changed = streams()
    changed.iloc[400:] = np.random.default_rng(0).normal(0, 0.05, (100, 3))
    found, cut = validate(changed), streams().index[399]
    pd.testing.assert_frame_equal(found["oos_returns"].loc[:cut], outputs["oos_returns"].loc[:cut], check_exact=True)
    early = outputs["oos_capital"]["date"] <= cut
    pd.testing.assert_frame_equal(
        found["oos_capital"][found["oos_capital"]["date"] <= cut], outputs["oos_capital"][early], check_exact=True
    )
    shorter = validate(streams().loc[:cut])
    pd.testing.assert_frame_equal(
        shorter["oos_returns"].iloc[:-1], outputs["oos_returns"].loc[: cut - pd.Timedelta(days=1)], atol=1e-15, rtol=0
    )


def test_every_setting_counts(outputs: dict[str, Any]) -> None:
    """Rhythm, history, costs, lookback, limits and calendar each change what they are about."""
    count = outputs["metrics"]["rebalances"]["scheduled"]
    assert validate(rebalance={"every": "quarterly"})["metrics"]["rebalances"]["scheduled"] < count
    assert validate(validation={"min_history": 300})["metrics"]["rebalances"]["scheduled"] < count
    free = validate(validation={"commission_bps": 0.0, "slippage_bps": 0.0})["oos_returns"]
    np.testing.assert_array_equal(free["net"], free["gross"])
    for dear in ({"commission_bps": 40.0}, {"slippage_bps": 40.0}):
        assert (validate(validation=dear)["oos_returns"]["net"] <= outputs["oos_returns"]["net"]).all()
    assert not validate(allocation={"lookback": 60})["oos_capital"].equals(outputs["oos_capital"])
    limited = [{"id": "one", "max_weight": 0.1}, {"id": "two"}, {"id": "three"}]
    held = validate(sleeves=limited)["oos_capital"]  # type: ignore[arg-type]
    assert held.query("symbol == 'one'")["weight"].max() <= 0.1 + 1e-9
    assert validate(calendar={"name": "24/7"})["metrics"]["annualisation"] == 365


def test_metrics_are_those_of_the_streams(outputs: dict[str, Any]) -> None:
    """Each block restates its own stream; sleeves are told over the sessions that capital was in them."""
    figures, frame = outputs["metrics"], outputs["oos_returns"]
    assert set(figures) == {
        "annualisation",
        "strategy",
        "equal_weight",
        "equal_sleeves",
        "costs",
        "rebalances",
        "sleeves",
    }
    assert figures["strategy"]["sharpe"] == summarise(frame["net"].to_numpy(), 252)["sharpe"]
    assert figures["equal_weight"]["cagr"] == summarise(frame["equal_weight"].to_numpy(), 252)["cagr"]
    assert figures["strategy"]["start"] == str(frame.index[0].date())
    own = streams().loc[frame.index[1] :, "two"].to_numpy()
    assert figures["sleeves"]["two"] == summarise(own, 252)
    assert (figures["costs"]["commission_bps"], figures["costs"]["slippage_bps"]) == (4.0, 6.0)
    json.dumps(figures, allow_nan=False)


def test_a_rebalance_without_a_portfolio_keeps_the_one_before() -> None:
    """Where every method fails capital is left alone (cash at first), and date and reason are recorded."""
    falling = streams()
    falling.iloc[:200] = -np.abs(falling.iloc[:200]) - 0.001
    found = validate(falling, allocation={"method": "max_sharpe", "fallbacks": (), "lookback": 60})
    done = found["metrics"]["rebalances"]
    assert done["held"]
    assert done["scheduled"] == done["traded"] + len(done["held"])
    assert "max_sharpe" in done["held"][0]["reason"]
    days = falling.index
    traded = days[days.get_loc(done["held"][0]["date"]) + 1]
    assert traded == found["oos_returns"].index[0]
    assert (found["oos_returns"]["net"].iloc[:20] == 0.0).all()
    assert MetaValidationStage().summary(single(falling), found).degraded


def test_a_rebalance_by_a_fallback_is_told() -> None:
    """Where a fallback steps in, date, method and reason are recorded, and the stage is degraded."""
    falling = streams()
    falling.iloc[:200] = -np.abs(falling.iloc[:200]) - 0.001
    chain = {"method": "max_sharpe", "fallbacks": ("equal_weight",), "lookback": 60}
    found = validate(falling, allocation=chain)
    fell = found["metrics"]["rebalances"]["fallbacks"]
    assert fell[0]["method"] == "equal_weight"
    assert fell[0]["reason"]
    assert found["metrics"]["rebalances"]["held"] == []
    summary = MetaValidationStage().summary(single(falling), found)
    assert summary.degraded
    assert f"{len(fell)} by a fallback" in summary.note


def test_a_smooth_run_is_not_degraded(outputs: dict[str, Any]) -> None:
    """The line tells the Sharpe ratio and the number of rebalances."""
    summary = MetaValidationStage().summary(single(streams()), outputs)
    assert not summary.degraded
    assert summary.note.endswith(f"{outputs['metrics']['rebalances']['traded']} rebalances")
    assert (summary.entered, summary.left) == (3, 3)


def test_too_short_streams_are_refused() -> None:
    """Without a session to rebalance on, the error tells how many sessions there are and what to lower."""
    with pytest.raises(DataError, match="sleeves' streams have 100 sessions: no monthly rebalance") as caught:
        validate(streams(100))
    assert "validation.min_history" in str(caught.value.hint)
