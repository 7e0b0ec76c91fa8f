"""Orders in figures that one can check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from quantflow.quant.orders import RULES, Plan, Rebalance, plan


def of(units: list[float], prices: list[float], cash: float, targets: list[float], **terms: object) -> Plan:
    """The plan for an account; lots of one and no other terms unless said."""
    n = len(units)
    arrays = {"lots": np.ones(n), "least": np.zeros(n)} | {k: v for k, v in terms.items() if k not in ("band", "rate")}
    arrays = {name: np.asarray(value, dtype=float) for name, value in arrays.items()}
    rest = {name: value for name, value in terms.items() if name in ("band", "rate")}
    return plan(Rebalance(np.array(units), np.array(prices), cash, np.array(targets), **arrays, **rest))  # type: ignore[arg-type]


def test_rounding_is_towards_no_trade() -> None:
    """10.7 units wanted of a purchase are 10, 10.7 of a sale are 10."""
    found = of([0.0, 20.7], [100.0, 100.0], 2930.0, [0.214, 0.2])
    np.testing.assert_array_equal(found.trades, [10.0, -10.0])


def test_exits_are_whole_whatever_the_terms_say() -> None:
    """An odd lot, worth less than the smallest order and the band, is sold to the last unit; a short is bought back."""
    found = of([0.37, -0.5], [1.0, 2.0], 1e6, [0.0, 0.0], lots=[100, 100], least=[1e5, 1e5], band=0.5)
    np.testing.assert_array_equal(found.trades, [-0.37, 0.5])


def test_the_band_counts_from_the_weight_held() -> None:
    """Below it nothing is traded, at it the whole way is."""
    near = of([100.0], [1.0], 100.0, [0.549], band=0.05)
    np.testing.assert_array_equal(near.trades, [0.0])
    assert RULES[near.rules[0]] == "band"
    assert (near.values[0], near.limits[0]) == (pytest.approx(0.049), 0.05)
    np.testing.assert_array_equal(of([100.0], [1.0], 100.0, [0.56], band=0.05).trades, [12.0])


def test_costs_are_paid_by_the_account() -> None:
    """All in: what is bought and its cost are what there was."""
    found = of([0.0], [1.0], 1010.0, [1.0], rate=0.01)
    np.testing.assert_array_equal(found.trades, [1000.0])
    assert found.cash == pytest.approx(0.0)
    assert found.after[0] == pytest.approx(1.0)


def test_the_cost_is_foreseen() -> None:
    """Half of what is left after the cost, 975.6, is bought; not half of 1,000, which the band would let stand."""
    found = of([0.0], [1.0], 1000.0, [0.5], rate=0.05, band=0.02)
    np.testing.assert_array_equal(found.trades, [487.0])


def test_a_quotient_that_is_whole_but_for_its_last_bit_is_whole() -> None:
    """0.3 / 0.1 is less than 3 in binary; three lots are bought all the same."""
    np.testing.assert_allclose(of([0.0], [1.0], 1.0, [0.3], lots=[0.1]).trades, [0.3])


def test_cash_is_shared_in_proportion() -> None:
    """A name that cannot be sold leaves cash for half of what is wanted."""
    found = of([500.0, 0.0, 0.0], [1.0, 1.0, 1.0], 300.0, [0.25, 0.25, 0.5], lots=[1000, 1, 1])
    np.testing.assert_array_equal(found.trades, [0.0, 100.0, 200.0])
    np.testing.assert_array_equal(found.cut, [False, True, True])
    assert found.cash == 0.0


def test_what_no_share_buys_is_left_to_the_others() -> None:
    """Too little for the dear name: the cheap one gets its cash, and the dear one is listed under the rule cash."""
    found = of([600.0, 0.0, 0.0], [1.0, 150.0, 1.0], 400.0, [0.1, 0.5, 0.4], lots=[1000, 3, 1])
    np.testing.assert_array_equal(found.trades, [0.0, 0.0, 400.0])
    assert [RULES[rule] for rule in found.rules] == ["lot", "cash", ""]


def test_shorts_are_opened_and_turned() -> None:
    """A negative weight is sold short, and its proceeds are cash; a long that becomes a short is one order."""
    found = of([0.0, 10.0], [10.0, 10.0], 900.0, [-0.3, -0.2])
    np.testing.assert_array_equal(found.trades, [-30.0, -30.0])
    np.testing.assert_allclose(found.after, [-0.3, -0.2])
    assert found.cash == 1500.0


def test_a_fixed_capital_scales_the_book() -> None:
    """Half the account: half the units, whatever the cost."""
    book = Rebalance(np.zeros(1), np.ones(1), 1000.0, np.ones(1), np.ones(1), np.zeros(1), rate=0.01, capital=500.0)
    np.testing.assert_array_equal(plan(book).trades, [500.0])
