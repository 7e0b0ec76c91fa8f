from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.profile import Profile
from quantflow.data.panel import Panel
from quantflow.data.quality.roster import roster
from quantflow.errors import DataError
from quantflow.pipeline.play import play
from quantflow.pipeline.registry import StageRegistry
from quantflow.pipeline.replay import reach_of
from quantflow.pipeline.stage import step_runner
from quantflow.quant.metrics import max_drawdown, total_return
from quantflow.stages.validation import REPLAYED, ValidationStage
from stocks import twenty_stocks

NOBODY = Panel((), np.empty(0, "datetime64[D]"), {"close": np.empty((0, 0))})
SHORT = {
    "features": {"lookback": 252},
    "allocation": {"lookback": 252, "method": "equal_weight"},
    "rebalance": {"every": "quarterly"},
    "validation": {"min_history": 300},
}


def settings(**changes: dict[str, Any]) -> dict[str, Any]:
    """A profile with short lookbacks, and some sections changed."""
    sections = {name: {**SHORT.get(name, {}), **changes.get(name, {})} for name in {*SHORT, *changes}}
    return Profile(name="test", **sections).settings()


@pytest.fixture(scope="module")
def market() -> dict[str, Any]:
    """Twenty stocks over 900 sessions to the end of 2022; one ends early, one begins late."""
    panel, instruments = twenty_stocks(900)
    panel.close[5, :450] = np.nan
    return known(panel, instruments)


def known(panel: Panel, instruments: pd.DataFrame, past: Panel = NOBODY) -> dict[str, Any]:
    """What ingestion gives the walk-forward."""
    who = roster(instruments, (*panel.symbols, *past.symbols), None)
    return {"prices": panel, "instruments": instruments.loc[list(panel.symbols)], "past": past, "roster": who}


def validate(inputs: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    """The stage's outputs under a changed profile."""
    stage = ValidationStage()
    return dict(stage.run(inputs, stage.configured(settings(**changes))))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def outputs(market: dict[str, Any]) -> dict[str, Any]:
    """The walk-forward of the short profile."""
    return validate(market)


def cut(market: dict[str, Any], stop: int) -> dict[str, Any]:
    """The market as it was after some sessions."""
    return market | {"prices": market["prices"].window(0, stop)}


def test_streams_cover_every_session_from_the_first_rebalance(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """The returns have the declared columns, no NaN, and one row per session from the first trade to the end."""
    frame = outputs["oos_returns"]
    assert list(frame.columns) == ["net", "gross", "cost", "turnover", "equal_weight"]
    assert frame.index.name == "date"
    assert frame.notna().all().all()
    first = outputs["oos_weights"]["date"].iloc[0]
    assert frame.index[0] == first
    sessions = market["prices"].sessions
    np.testing.assert_array_equal(frame.index.to_numpy().astype("datetime64[D]"), sessions[sessions >= frame.index[0]])


def test_decisions_fall_on_the_last_session_of_each_period(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Quarterly decisions fall on the last sessions of quarters, after the minimum history, and trade the day after."""
    sessions = pd.DatetimeIndex(market["prices"].sessions)
    ends = pd.Series(sessions, index=sessions).groupby(sessions.to_period("Q")).last()
    expected = [day for day in ends if day >= sessions[299] and day < sessions[-1]]
    weights = outputs["oos_weights"]
    assert list(weights["decided"].unique()) == expected
    assert list(weights["date"].unique()) == [sessions[sessions.get_loc(day) + 1] for day in expected]


def test_weights_are_those_of_a_run_on_that_date(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """A rebalance's weights equal those of the stages run one by one on all data up to that date."""
    weights = outputs["oos_weights"]
    day = weights["decided"].unique()[1]
    prices = market["prices"].up_to(np.datetime64(day, "D"))
    prices = prices.select([s for s, c in zip(prices.symbols, prices.close, strict=True) if np.isfinite(c[-1])])
    values = {"prices": prices, "instruments": market["instruments"].loc[list(prices.symbols)]}
    values = play([StageRegistry.get(name) for name in REPLAYED], values, settings(), replay=True)
    then = weights[weights["decided"] == day].set_index("symbol")["weight"]
    pd.testing.assert_series_equal(then.sort_index(), values["weights"]["weight"].sort_index(), check_names=False)


def test_nothing_looks_ahead(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Dropping the last sessions changes no earlier weight and no earlier return."""
    shorter = validate(cut(market, 700))
    sessions = shorter["oos_returns"].index
    pd.testing.assert_frame_equal(shorter["oos_returns"], outputs["oos_returns"].loc[sessions], rtol=0, atol=1e-15)
    early = outputs["oos_weights"]["date"] <= sessions[-1]
    pd.testing.assert_frame_equal(shorter["oos_weights"], outputs["oos_weights"][early], check_exact=True)


def test_the_future_may_be_anything(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Scrambled prices after a date leave the weights up to that date untouched."""
    close = market["prices"].close.copy()
    close[:, 700:] = np.random.default_rng(0).uniform(1, 100, close[:, 700:].shape)
    scrambled = validate(
        market | {"prices": Panel(market["prices"].symbols, market["prices"].sessions, {"close": close})}
    )
    early = outputs["oos_weights"]["decided"] < pd.Timestamp(market["prices"].sessions[700])
    pd.testing.assert_frame_equal(
        scrambled["oos_weights"].iloc[: early.sum()], outputs["oos_weights"][early], check_exact=True
    )


def test_same_inputs_same_bytes(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """A second walk-forward gives the same bits."""
    again = validate(market)
    pd.testing.assert_frame_equal(again["oos_returns"], outputs["oos_returns"], check_exact=True)
    assert json.dumps(again["metrics"]) == json.dumps(outputs["metrics"])


def test_dead_and_unborn_symbols_are_not_bought(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """A symbol without a price on the session that decides takes no part in it."""
    symbols, sessions = market["prices"].symbols, pd.DatetimeIndex(market["prices"].sessions)
    weights = outputs["oos_weights"]
    assert not ((weights["symbol"] == symbols[3]) & (weights["decided"] >= sessions[500])).any()
    assert not ((weights["symbol"] == symbols[5]) & (weights["decided"] < sessions[450])).any()


def test_who_ended_is_as_good_as_who_did_not(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Names that may not be used at the end change nothing of the walk-forward by lying in another artifact."""
    symbols = market["prices"].symbols
    gone = [symbols[3], symbols[8]]
    rest = [symbol for symbol in symbols if symbol not in gone]
    apart = known(market["prices"].select(rest), market["instruments"], market["prices"].select(gone))
    found = validate(apart)
    pd.testing.assert_frame_equal(found["oos_returns"], outputs["oos_returns"], check_exact=True)
    pd.testing.assert_frame_equal(found["oos_weights"], outputs["oos_weights"], check_exact=True)
    assert found["metrics"] == outputs["metrics"]


def test_the_share_that_ended_is_among_the_metrics(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Of the twenty names that could be held, one stopped trading; the universe is today's."""
    assert outputs["metrics"]["universe"] == {"names": 20, "ended": 1, "share": 0.05, "members": False}


def test_a_delisting_return_is_the_holders_last_move(market: dict[str, Any]) -> None:
    """It is earned on the session after the last bar, by whoever holds the name then, and on no other session."""
    symbol, sessions = market["prices"].symbols[3], pd.DatetimeIndex(market["prices"].sessions)
    lost = market["roster"].assign(delisting_return=market["roster"]["symbol"].map({symbol: -1.0}))
    policy = {"min_winners": 20, "top_n": 20, "max_per_sector": 20}
    before, after = (validate(given, policy=policy)["oos_returns"] for given in (market, market | {"roster": lost}))
    moved = (after["equal_weight"] - before["equal_weight"]).abs() > 1e-12
    assert moved.idxmax() == sessions[500]
    assert after["equal_weight"].loc[sessions[500]] < before["equal_weight"].loc[sessions[500]] - 0.02
    held = (after["gross"] - before["gross"]).abs() > 1e-12
    assert held.any()
    assert held.idxmax() == sessions[500]


def test_members_of_the_date_take_part(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """A name is bought, and in the benchmark, only while it is a member; the metrics say that members are known."""
    day, before = pd.DatetimeIndex(market["prices"].sessions)[600], outputs["oos_weights"]
    leaves = before.loc[before["date"] > day, "symbol"].iloc[0]
    comes = before.loc[(before["date"] < day) & (before["symbol"] != leaves), "symbol"].iloc[0]
    who = market["roster"].assign(**{"from": market["prices"].sessions[0].astype("datetime64[s]")})
    who.loc[who["symbol"] == leaves, "to"] = day
    who.loc[who["symbol"] == comes, "from"] = day
    found = validate(market | {"roster": who})
    weights = found["oos_weights"]
    assert not ((weights["symbol"] == leaves) & (weights["date"] > day)).any()
    assert not ((weights["symbol"] == comes) & (weights["date"] < day)).any()
    assert found["metrics"]["universe"]["members"] is True


def test_metrics_describe_the_streams(outputs: dict[str, Any]) -> None:
    """The record's figures are those of the streams, and it is valid JSON."""
    metrics, frame = outputs["metrics"], outputs["oos_returns"]
    assert metrics["annualisation"] == 252
    assert metrics["strategy"]["total_return"] == total_return(frame["net"].to_numpy())
    assert metrics["equal_weight"]["max_drawdown"] == max_drawdown(frame["equal_weight"].to_numpy())
    assert metrics["strategy"]["sessions"] == len(frame)
    assert metrics["strategy"]["start"] == str(frame.index[0].date())
    assert metrics["strategy"]["end"] == "2022-12-28"
    json.dumps(metrics, allow_nan=False)


def test_the_benchmark_is_the_pool_held_equally(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """In the session after its first trade the benchmark earns the mean return of the symbols alive."""
    frame = outputs["oos_returns"]
    close = market["prices"].frame()
    first = close.index.get_loc(frame.index[0])
    alive = close.iloc[first].notna()
    moves = (close.iloc[first + 1] / close.iloc[first] - 1)[alive]
    assert frame["equal_weight"].iloc[1] == pytest.approx(moves.mean(), abs=1e-14)


@pytest.mark.parametrize(
    "change",
    [
        {"rebalance": {"every": "monthly"}},
        {"rebalance": {"every": 50}},
        {"rebalance": {"lag": 0}},
        {"validation": {"min_history": 500}},
        {"validation": {"commission_bps": 30.0}},
        {"validation": {"slippage_bps": 30.0}},
        {"validation": {"borrow_bps": 300.0}, "scores": {"directions": ["LONG", "SHORT"]}},
        {"validation": {"cash_rate": 0.03}, "allocation": {"budget": 0.5}},
    ],
)
def test_every_option_has_an_effect(market: dict[str, Any], outputs: dict[str, Any], change: dict[str, Any]) -> None:
    """Each option of the two sections changes the returns."""
    assert not validate(market, **change)["oos_returns"].equals(outputs["oos_returns"])


def test_fees_and_interest_are_after_costs(market: dict[str, Any]) -> None:
    """Borrowing lowers net alone, cash raises gross too, by the short and by the idle weight; benchmarks likewise."""
    short = {"scores": {"directions": ["SHORT"]}, "allocation": {"max_weight": "off"}}
    free, fee, paid = (
        validate(market, **short, validation=costs) for costs in ({}, {"borrow_bps": 252.0}, {"cash_rate": 0.0252})
    )
    one, two, three = (each["oos_returns"].iloc[1] for each in (free, fee, paid))
    assert one["gross"] == pytest.approx(two["gross"], abs=1e-15)
    assert two["net"] - one["net"] == pytest.approx(-1e-4, rel=1e-9)
    assert three["net"] - one["net"] == pytest.approx(2e-4, rel=1e-9)  # wealth and the proceeds of the shorts
    assert two["equal_weight"] == one["equal_weight"] == three["equal_weight"]
    assert fee["metrics"]["costs"]["cagr_drag"] > free["metrics"]["costs"]["cagr_drag"]
    assert fee["metrics"]["costs"]["borrow_bps"] == 252.0


def test_names_pay_their_own_costs(market: dict[str, Any], outputs: dict[str, Any]) -> None:
    """A dear name costs what its line says, in the benchmark too; how many names have a line is in the metrics."""
    dear = market["prices"].symbols[0]
    costs = pd.DataFrame(dict.fromkeys(("spread_bps", "borrow_bps"), np.nan), index=market["instruments"].index)
    costs["cost_bps"] = np.where(costs.index == dear, 500.0, np.nan)
    priced = known(market["prices"], market["instruments"].join(costs))
    found = validate(priced)
    weights = outputs["oos_weights"]
    first = weights[weights["date"] == weights["date"].iloc[0]].set_index("symbol")["weight"].get(dear, 0.0)
    extra = found["oos_returns"]["cost"].iloc[0] - outputs["oos_returns"]["cost"].iloc[0]
    assert extra == pytest.approx(first * 494e-4, abs=1e-15)
    alive = len(market["prices"].symbols) - 1
    behind = outputs["oos_returns"]["equal_weight"].iloc[0] - found["oos_returns"]["equal_weight"].iloc[0]
    assert behind == pytest.approx(494e-4 / alive, rel=1e-6)
    assert found["metrics"]["costs"]["own_costs"] == 1
    assert found["metrics"]["costs"]["default_costs"] == 19
    assert "own_costs" not in outputs["metrics"]["costs"]


def test_infeasible_dates_hold_what_there_is(market: dict[str, Any]) -> None:
    """Where no portfolio is feasible nothing trades, the date and the reason are recorded, and the summary says so."""
    impossible = validate(market, allocation={"max_weight": 0.01})
    record = impossible["metrics"]["rebalances"]
    assert record["traded"] == 0
    assert len(record["held"]) == record["scheduled"]
    assert "max_weight" in record["held"][0]["reason"]
    assert (impossible["oos_returns"][["net", "turnover"]] == 0).all().all()
    assert impossible["oos_weights"].empty
    assert ValidationStage().summary(market, impossible).degraded


def test_an_infeasible_date_keeps_the_portfolio_before_it(market: dict[str, Any]) -> None:
    """A date on which nothing can be bought leaves the portfolio to drift to the next rebalance."""
    sessions = pd.DatetimeIndex(market["prices"].sessions)
    day = sessions.get_loc(validate(market)["oos_weights"]["decided"].unique()[2])
    close = market["prices"].close.copy()
    close[:, day] = np.nan
    found = validate(market | {"prices": Panel(market["prices"].symbols, market["prices"].sessions, {"close": close})})
    assert [held["date"] for held in found["metrics"]["rebalances"]["held"]] == [str(sessions[day].date())]
    assert found["oos_returns"]["turnover"].loc[sessions[day]] == 0.0
    assert found["oos_returns"]["gross"].loc[sessions[day + 1]] != 0.0


def test_too_short_a_history_says_what_to_change(market: dict[str, Any]) -> None:
    """Prices without a single rebalance raise with the option to change."""
    with pytest.raises(DataError, match="no quarterly rebalance") as caught:
        validate(cut(market, 200))
    assert "validation.min_history" in str(caught.value.hint)


def reach(sections: dict[str, Any]) -> int:
    found = reach_of([StageRegistry.get(stage_id) for stage_id in REPLAYED], sections, ("prices",))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"features": {"lookback": 700}},
        {"features": {"momentum_long": 700}},
        {"features": {"trend_window": 1000}},
        {"clusters": {"lookbacks": (700,)}},
        {"allocation": {"lookback": 700}},
    ],
)
def test_the_window_follows_the_longest_lookback(change: dict[str, Any]) -> None:
    """Whichever stage looks back the furthest decides how much every rebalance is given."""
    assert reach(settings()) < 300
    assert reach(settings(**change)) > 700


def test_replayed_steps_stay_inside(market: dict[str, Any]) -> None:
    """Steps of replayed stages are not shown one by one, and the step runner is put back afterwards."""
    shown: list[str] = []

    def show(name: str, fn: Any, args: tuple[Any, ...]) -> Any:
        shown.append(name)
        return fn(*args)

    token = step_runner.set(show)
    try:
        validate(cut(market, 400))
        assert step_runner.get() is show
    finally:
        step_runner.reset(token)
    assert shown == []


def test_the_key_covers_every_replayed_section() -> None:
    """The stage's config holds each section that a replayed stage reads."""
    own = set(ValidationStage.Config.model_fields)
    for stage_id in REPLAYED:
        assert set(StageRegistry.get(stage_id).Config.model_fields) <= own


def test_each_rebalance_is_accounted_for(market: dict[str, Any]) -> None:
    """Methods and levels are counted over all rebalances; one that fell back has date, method and reason."""
    found = validate(market, allocation={"lookback": 252, "method": "max_sharpe", "fallbacks": ("equal_weight",)})
    record = found["metrics"]["rebalances"]
    assert sum(record["methods"].values()) == sum(record["levels"].values()) == record["traded"]
    assert record["methods"].get("equal_weight", 0) == len(record["fallbacks"])
    assert set(record["levels"]) <= {"1", "2", "3", "4"}


def test_a_method_that_fails_is_said(market: dict[str, Any]) -> None:
    """Where every name falls no ratio can be maximised: each fallback has its date and reason, and the note a count."""
    close = market["prices"].close * np.exp(-0.01 * np.arange(900))
    inputs = market | {"prices": Panel(market["prices"].symbols, market["prices"].sessions, {"close": close})}
    found = validate(inputs, allocation={"method": "max_sharpe", "fallbacks": ("equal_weight",)})
    record = found["metrics"]["rebalances"]
    assert record["methods"] == {"equal_weight": record["traded"]}
    assert [fell["date"] for fell in record["fallbacks"]] == [
        str(pd.Timestamp(day).date()) for day in found["oos_weights"]["decided"].unique()
    ]
    assert {fell["method"] for fell in record["fallbacks"]} == {"equal_weight"}
    assert all(fell["reason"] for fell in record["fallbacks"])
    summary = ValidationStage().summary(inputs, found)
    assert f"{len(record['fallbacks'])} by a fallback" in summary.note
    assert summary.degraded


def test_levels_are_said(market: dict[str, Any]) -> None:
    """Rebalances whose winners needed a higher level are counted, and the note says how many; that is not degraded."""
    found = validate(market, policy={"min_alpha": 0.9, "min_winners": 6})
    levels = found["metrics"]["rebalances"]["levels"]
    assert levels.get("4", 0) > 0
    relaxed = [each["level"] for each in found["metrics"]["rebalances"]["relaxed"]]
    assert {str(level): relaxed.count(level) for level in relaxed} == {k: n for k, n in levels.items() if k != "1"}
    summary = ValidationStage().summary(market, found)
    assert f"{levels['4']} at level 4" in summary.note
    assert not summary.degraded


def test_a_benchmark_of_choice_is_held_from_the_first_rebalance(market: dict[str, Any]) -> None:
    """Its stream is the symbol's own returns after the cost of buying it; its figures are those of both streams."""
    found = validate(market, validation={"benchmark": "KO"})
    frame, block = found["oos_returns"], found["metrics"]["benchmark"]
    close = market["prices"].frame()["KO"]
    own = close.pct_change().loc[frame.index]
    assert frame["benchmark"].iloc[0] == pytest.approx(-6e-4)
    np.testing.assert_allclose(frame["benchmark"].iloc[1:], own.iloc[1:], atol=1e-14)
    assert block["symbol"] == "KO"
    assert block["total_return"] == total_return(frame["benchmark"].to_numpy())
    assert {"beta", "alpha", "tracking_error", "information_ratio", "up_capture", "down_capture"} < block.keys()
    assert block["beta"] == pytest.approx(np.polyfit(frame["benchmark"], frame["net"], 1)[0])
    json.dumps(found["metrics"], allow_nan=False)


def test_a_benchmark_without_prices_is_refused(market: dict[str, Any]) -> None:
    """A symbol that the run does not have, and one that is younger than the first rebalance, are errors that say so."""
    with pytest.raises(DataError, match="'SPY' has no prices in this run"):
        validate(market, validation={"benchmark": "SPY"})
    young = market["prices"].symbols[5]
    with pytest.raises(DataError, match="no price at the first rebalance"):
        validate(market, validation={"benchmark": young})
