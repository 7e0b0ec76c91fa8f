"""Orders of a run or a book: at which prices and terms, what is refused, and what is said."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from quantflow.desk.holdings import Holdings, Position
from quantflow.desk.orders import Orders, orders_of
from quantflow.desk.publish import mark_stale
from quantflow.desk.target import Target, target_of
from quantflow.errors import ConfigError, DataError, DegradedError
from quantflow.pipeline.stage import Summary
from quantflow.runs.record import StageRecord
from recorded import Name, recorded, recorded_meta, without_stage

NAMES = {"AAA": Name([90, 95, 100]), "BBB": Name([55, 52, 50]), "CCC": Name([10, 11, 20]), "DDD": Name([7, 8, 9])}
WEIGHTS = {"AAA": 0.5, "BBB": 0.3, "CCC": 0.2}
EXPERIMENT = "the run is an experiment: made with settings that are not its profile's"
FREE = ("validation.commission_bps=0", "validation.slippage_bps=0")


def book(home: Path, run_id: str, weights: dict[str, float], profile: str = "demo") -> None:
    """Publish weights as a profile's book."""
    folder = home / "current" / profile
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "book.json").write_text(json.dumps({"run_id": run_id, "as_of": "2022-12-28", "weights": weights}))


def of_run(home: Path, holdings: Holdings, *overrides: str, names: dict[str, Name] = NAMES) -> Orders:
    """The orders of a run of these names."""
    run = recorded(home, names, WEIGHTS, *overrides)
    return orders_of(target_of(home, run.id, None), holdings)


def amounts(found: Orders) -> dict[str, float]:
    """Signed units by symbol."""
    return {o.symbol: o.quantity if o.side == "BUY" else -o.quantity for o in found.orders}


def test_orders_lead_from_the_holdings_to_the_weights(tmp_path: Path) -> None:
    """Figures by hand: 10,000 of worth at the closes of the as-of, half to AAA, 30 % to BBB, 20 % to CCC, DDD sold."""
    held = Holdings({"AAA": Position(80), "DDD": Position(100.5), "BBB": Position(10)}, 595.5)
    found = of_run(tmp_path, held, *FREE)
    assert amounts(found) == {"DDD": -100.5, "AAA": -30, "BBB": 50, "CCC": 100}
    assert [(o.symbol, o.side, o.reason) for o in found.orders] == [
        ("DDD", "SELL", "exit"),
        ("AAA", "SELL", "trim"),
        ("BBB", "BUY", "add"),
        ("CCC", "BUY", "enter"),
    ]
    assert (found.capital, found.cost, found.currency, found.as_of) == (10_000, 0.0, "USD", "2022-12-28")
    assert found.cash_after == pytest.approx(0.0, abs=1e-9)
    assert found.turnover == pytest.approx((100.5 * 9 + 3000 + 2500 + 2000) / 10_000)
    assert found.tracking_difference == pytest.approx(0.0, abs=1e-12)
    assert found.notes == [EXPERIMENT]


def test_costs_are_those_of_the_validation(tmp_path: Path) -> None:
    """Commission and slippage of the walk-forward, on each amount, paid out of the account's cash."""
    found = of_run(tmp_path, Holdings({}, 1e6), "validation.commission_bps=2", "validation.slippage_bps=8")
    assert [o.cost for o in found.orders] == pytest.approx([o.notional * 0.001 for o in found.orders])
    assert found.cash_after == pytest.approx(1e6 - sum(o.notional * 1.001 for o in found.orders))
    assert 0.0 <= found.cash_after < 100 + 50 + 20  # less than a lot of each


@pytest.mark.parametrize(("band", "traded"), [("0.0", {"CCC": 1.0}), ("0.001", {})])
def test_a_name_near_its_weight_is_left_alone(band: str, traded: dict[str, float], tmp_path: Path) -> None:
    """0.02 % off is within a band of 0.1 %, and is said; without a band it is traded."""
    held = Holdings({"AAA": Position(500), "BBB": Position(600), "CCC": Position(999)}, 20)
    found = of_run(tmp_path, held, *FREE, f"orders.no_trade_band={band}")
    assert amounts(found) == traded
    if not traded:
        (skipped,) = found.skipped
        assert (skipped.symbol, skipped.rule, skipped.limit) == ("CCC", "band", 0.001)
        assert skipped.value == pytest.approx(20 / 100_000)


def test_lots_and_smallest_orders_are_the_instruments_own(tmp_path: Path) -> None:
    """AAA is traded in tens; BBB's order is too small an amount, and is listed with amount and limit."""
    names = {**NAMES, "AAA": Name([1, 1, 100], lot=10), "BBB": Name([1, 1, 50], min_notional=4000)}
    found = of_run(tmp_path, Holdings({}, 11_900), *FREE, names=names)
    assert amounts(found) == {"AAA": 50, "CCC": 119}
    (skipped,) = found.skipped
    assert (skipped.symbol, skipped.rule, skipped.value, skipped.limit) == ("BBB", "min_notional", 71 * 50, 4000)


def test_an_unknown_lot_is_one_unit(tmp_path: Path) -> None:
    """A provider that tells no facts: whole units, no smallest order."""
    names = {name: Name(each.closes, lot=math.nan, min_notional=math.nan) for name, each in NAMES.items()}
    assert amounts(of_run(tmp_path, Holdings({}, 1010), *FREE, names=names)) == {"AAA": 5, "BBB": 6, "CCC": 10}


def test_the_holdings_own_price_wins(tmp_path: Path) -> None:
    """Of a name of the book, and of one that the run has never heard of; the strange currency is said."""
    held = Holdings({"AAA": Position(0, 200), "XYZ": Position(10, 100)}, 9000)
    found = of_run(tmp_path, held, *FREE)
    assert amounts(found) == {"XYZ": -10, "AAA": 25, "BBB": 60, "CCC": 100}
    assert found.notes == [EXPERIMENT, "taken to be in USD: XYZ"]


def test_a_hole_at_the_as_of_takes_the_close_before(tmp_path: Path) -> None:
    """And says of which session it is."""
    found = of_run(tmp_path, Holdings({}, 10_000), *FREE, names={**NAMES, "AAA": Name([90, 125, math.nan])})
    assert amounts(found)["AAA"] == 40
    assert found.notes == [EXPERIMENT, "AAA: its last close is of 2022-12-27"]


def test_a_held_name_without_a_price_is_named(tmp_path: Path) -> None:
    """All of them, and that CASH is not the cash; a row of quantity 0 needs none."""
    held = Holdings({"XYZ": Position(1), "CASH": Position(1), "OLD": Position(0)}, 100)
    with pytest.raises(DataError, match=r"no price of CASH, XYZ\.") as caught:
        of_run(tmp_path, held)
    assert "lower case" in str(caught.value.hint)


def test_several_currencies_are_refused(tmp_path: Path) -> None:
    """Each currency is told with its names."""
    with pytest.raises(DataError, match=r"EUR \(BBB\); USD \(AAA, CCC\)"):
        of_run(tmp_path, Holdings({}, 100), names={**NAMES, "BBB": Name([1, 1, 1], currency="EUR")})


@pytest.mark.parametrize(("holdings", "worth"), [(Holdings({}), "0"), (Holdings({"AAA": Position(-1)}, 99), "-1")])
def test_an_account_without_worth_is_refused(holdings: Holdings, worth: str, tmp_path: Path) -> None:
    """Nothing, or debts beyond the cash."""
    with pytest.raises(DataError, match=f"is worth {worth}\\."):
        of_run(tmp_path, holdings)


@pytest.mark.parametrize("weights", [{}, {"AAA": math.nan}])
def test_a_run_without_sound_weights_is_refused(weights: dict[str, float], tmp_path: Path) -> None:
    """No weights would sell everything, and a weight that is not a number anything."""
    run = recorded(tmp_path, NAMES, weights)
    with pytest.raises(DataError, match="not all are finite"):
        target_of(tmp_path, run.id, None)


def test_capital_is_what_the_weights_are_fractions_of(tmp_path: Path) -> None:
    """Beside a row of cash it scales the book; without one, cash is what the positions leave of it."""
    run = recorded(tmp_path, NAMES, WEIGHTS, *FREE)
    target = target_of(tmp_path, run.id, None)
    some = orders_of(target, Holdings({}, 20_000), capital=10_000)
    assert amounts(some) == {"AAA": 50, "BBB": 60, "CCC": 100}
    assert some.cash_after == 10_000
    rest = orders_of(target, Holdings({"AAA": Position(50)}), capital=10_000)
    assert amounts(rest) == {"BBB": 60, "CCC": 100}
    assert rest.cash_before == 5000
    with pytest.raises(ConfigError, match=r"worth 5000\.00, more than --capital 4000\.00"):
        orders_of(target, Holdings({"AAA": Position(50)}), capital=4000)
    assert orders_of(target, Holdings({"AAA": Position(50)})).notes[-1].endswith("it is taken to be 0")


def test_too_little_cash_is_shared_and_said(tmp_path: Path) -> None:
    """AAA, held too much of, cannot be sold for less than its lot: purchases are cut, or left out by the rule cash."""
    names = {**NAMES, "AAA": Name([1, 1, 100], lot=100), "CCC": Name([1, 1, 2000])}
    found = of_run(tmp_path, Holdings({"AAA": Position(85)}, 1500), *FREE, names=names)
    assert amounts(found) == {"BBB": 30}
    assert found.orders[0].reason == "enter, cut to cash"
    assert [(s.symbol, s.rule, s.value, s.limit) for s in found.skipped] == [
        ("AAA", "lot", 35, 100),
        ("CCC", "cash", 2000, 0),
    ]
    assert found.cash_after == 0


def test_a_short_that_is_bought_back_may_leave_cash_short_and_says_so(tmp_path: Path) -> None:
    """With what it takes; the account that is left is taken again, and has no more orders."""
    names = {**NAMES, "AAA": Name([1, 1, 100], lot=100)}
    run = recorded(tmp_path, names, {"AAA": 1.0}, *FREE)
    target = target_of(tmp_path, run.id, None)
    found = orders_of(target, Holdings({"AAA": Position(50), "CCC": Position(-35)}, 0.0))
    assert (amounts(found), found.cash_after) == ({"CCC": 35}, -700)
    assert found.notes == [
        EXPERIMENT,
        "cash is short of 700.00 USD: sell that much more, pay it in, or leave a short that is bought back",
    ]
    again = orders_of(target, Holdings({"AAA": Position(50)}, found.cash_after))
    assert (again.orders, again.cash_after) == ([], -700)


def test_an_account_that_cannot_pay_the_costs_is_refused(tmp_path: Path) -> None:
    """No orders the wrong way round, of a capital below 0."""
    held = Holdings({"AAA": Position(100), "CCC": Position(-490)}, 0.0)
    with pytest.raises(DataError, match=r"The orders would cost .*, and the account is worth 200\.00"):
        of_run(tmp_path, held, "validation.commission_bps=500", "validation.slippage_bps=500")


def test_a_portfolio_of_sleeves_takes_prices_and_facts_from_them(tmp_path: Path) -> None:
    """Flattened weights, a short among them; a name that several sleeves hold, and one that only one does."""
    sleeves = {"one": {"AAA": NAMES["AAA"], "BBB": NAMES["BBB"]}, "two": {"AAA": NAMES["AAA"], "CCC": NAMES["CCC"]}}
    run = recorded_meta(tmp_path, sleeves, {"AAA": 0.5, "CCC": -0.2}, "meta.validation.slippage_bps=0")
    found = orders_of(target_of(tmp_path, run.id, None), Holdings({"BBB": Position(20)}, 9000))
    assert [(o.symbol, o.side, o.quantity, o.reason) for o in found.orders] == [
        ("BBB", "SELL", 20, "exit"),
        ("CCC", "SELL", 99, "enter"),
        ("AAA", "BUY", 49, "enter"),
    ]
    assert found.cost == pytest.approx((1000 + 1980 + 4900) * 1e-4)


def test_sleeves_that_differ_on_a_price_are_refused(tmp_path: Path) -> None:
    """Unless the holdings decide."""
    sleeves = {"one": {"AAA": NAMES["AAA"]}, "two": {"AAA": Name([1, 1, 101])}}
    run = recorded_meta(tmp_path, sleeves, {"AAA": 1.0})
    target = target_of(tmp_path, run.id, None)
    with pytest.raises(DataError, match=r"disagree on AAA: price 100\.0 and 101\.0"):
        orders_of(target, Holdings({}, 1000))
    assert orders_of(target, Holdings({"AAA": Position(0, 100)}, 1000)).orders[0].price == 100


def test_the_file_has_a_row_per_order_and_a_header_even_without(tmp_path: Path) -> None:
    """Numbers in full; a file of no orders says that there are none."""
    found = of_run(tmp_path, Holdings({}, 10_000))
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert [(row["symbol"], float(row["notional"])) for row in rows] == [(o.symbol, o.notional) for o in found.orders]
    none = Orders(**{**vars(found), "orders": []})
    assert none.csv() == "symbol,side,quantity,price,notional,current_weight,target_weight,cost,reason\n"


def test_rows_in_another_order_change_nothing(tmp_path: Path) -> None:
    """The same orders, to the byte, from holdings and weights in reverse."""
    run = recorded(tmp_path, NAMES, WEIGHTS)
    held = {"AAA": Position(3.7), "BBB": Position(11), "DDD": Position(2), "XYZ": Position(9, 1.1)}
    one = orders_of(Target(run, WEIGHTS, book=False), Holdings(held, 777.7))
    reverse = Target(run, dict(reversed(WEIGHTS.items())), book=False)
    other = orders_of(reverse, Holdings(dict(reversed(held.items())), 777.7))
    assert json.dumps(one.json()) == json.dumps(other.json())


def test_the_book_is_found(tmp_path: Path) -> None:
    """The only one by itself, one of several by its name; its weights are followed, not what the run has since."""
    with pytest.raises(ConfigError, match="There is no book"):
        target_of(tmp_path, None, None)
    run = recorded(tmp_path, NAMES, WEIGHTS)
    book(tmp_path, run.id, {"AAA": 1.0})
    assert target_of(tmp_path, None, None).weights == {"AAA": 1.0}
    assert target_of(tmp_path, "latest", None).weights == WEIGHTS
    book(tmp_path, run.id, {"BBB": 1.0}, "other")
    with pytest.raises(ConfigError, match="several books"):
        target_of(tmp_path, None, None)
    assert target_of(tmp_path, None, "other").weights == {"BBB": 1.0}
    with pytest.raises(ConfigError) as caught:
        target_of(tmp_path, None, "othr")
    assert "Did you mean 'other'?" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="both given"):
        target_of(tmp_path, "latest", "other")


def test_a_stale_book_is_refused_until_it_is_wanted(tmp_path: Path) -> None:
    """With exit code 23 and what the file beside it says; --stale-ok takes it, and the orders still say so."""
    run = recorded(tmp_path, NAMES, WEIGHTS)
    book(tmp_path, run.id, WEIGHTS)
    mark_stale(run, ["the turnover is too large"])
    with pytest.raises(DegradedError, match="the turnover is too large") as caught:
        target_of(tmp_path, None, "demo")
    assert caught.value.exit_code == 23
    target = target_of(tmp_path, None, "demo", stale_ok=True)
    assert "the turnover is too large" in str(orders_of(target, Holdings({}, 1000)).json()["stale"])


def test_runs_that_are_not_complete_or_gone_are_refused(tmp_path: Path) -> None:
    """Each with the way on."""
    run = recorded(tmp_path, NAMES, WEIGHTS)
    without_stage(run, "report")
    with pytest.raises(ConfigError, match="not complete") as caught:
        target_of(tmp_path, "latest", None)
    assert caught.value.hint == f"quantflow resume {run.id}"
    book(tmp_path, "gone", WEIGHTS)
    with pytest.raises(ConfigError, match=r"The book of demo has no prices: No run named 'gone'\."):
        target_of(tmp_path, None, "demo")


def test_weights_that_would_be_no_book_are_told(tmp_path: Path) -> None:
    """Of a run that is asked for by name: degraded, or held back by a gate; of the book itself nothing."""
    run = recorded(tmp_path, NAMES, WEIGHTS)
    book(tmp_path, run.id, WEIGHTS)
    assert orders_of(target_of(tmp_path, "latest", None), Holdings({}, 1000)).notes == []
    run.update(settings={**run.header.settings, "publish": {"max_weight": 0.4}})
    assert orders_of(target_of(tmp_path, "latest", None), Holdings({}, 1000)).notes == [
        "the run would not be published: the weight of AAA is 50.00%, beyond publish.max_weight 40.00%"
    ]
    report = StageRecord("report", "done", summary=Summary(degraded=True))
    run.write_stage(replace(report, outputs=run.outputs))
    notes = orders_of(target_of(tmp_path, "latest", None), Holdings({}, 1000)).notes
    assert notes[0] == "the run is degraded: it completed with fallbacks"
    assert orders_of(target_of(tmp_path, None, "demo"), Holdings({}, 1000)).notes == []


@pytest.mark.parametrize("weights", [{"AAA": "half"}, {"AAA": None}, {"AAA": math.nan}, {}])
def test_a_book_whose_weights_are_no_numbers_is_refused(weights: dict[str, float], tmp_path: Path) -> None:
    """It is named, with the way to another."""
    book(tmp_path, recorded(tmp_path, NAMES, WEIGHTS).id, weights)
    with pytest.raises(DataError, match="The book of demo has no weights, or not all are finite numbers") as caught:
        target_of(tmp_path, None, "demo")
    assert caught.value.hint == "Run the profile again, with --force."


def test_a_profile_that_is_no_name_is_refused(tmp_path: Path) -> None:
    """No book is looked for outside of the workspace."""
    home = tmp_path / "home"
    book(tmp_path, recorded(home, NAMES, WEIGHTS).id, WEIGHTS, "../outside")
    with pytest.raises(ConfigError, match="A profile cannot be"):
        target_of(home, None, "../../outside")


def test_a_holding_that_is_written_otherwise_is_recognised(tmp_path: Path) -> None:
    """With a price of its own it is noted with the nearest symbol, without one the error asks; others get no guess."""
    held = Holdings({"AAA.US": Position(10, 100), "QQQ": Position(1, 5)}, 9000)
    assert "AAA.US is not a symbol of the run: did you mean AAA?" in of_run(tmp_path, held, *FREE).notes
    with pytest.raises(DataError, match=r"no price of AAA\.US") as caught:
        of_run(tmp_path, Holdings({"AAA.US": Position(10)}, 9000), *FREE)
    assert "Did you mean 'AAA'?" in str(caught.value.hint)
