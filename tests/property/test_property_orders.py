from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantflow.desk.holdings import CASH, Holdings, Position, read_holdings
from quantflow.errors import ConfigError
from quantflow.quant.orders import Rebalance, plan


@st.composite
def accounts(draw: st.DrawFn, long_only: bool = True) -> Rebalance:
    """An account of up to 10 names and a book, with lots from a thousandth to hundreds and all other terms."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, worth = draw(st.integers(1, 10)), 10.0 ** draw(st.integers(3, 7))
    prices = 10.0 ** rng.uniform(-1, 3, n)
    shares = rng.dirichlet(np.ones(n + 1)) * worth
    targets = rng.dirichlet(np.ones(n)) * draw(st.sampled_from([1.0, 0.7]))
    units = np.where(rng.random(n) < 0.3, 0.0, shares[:n] / prices)
    lots = rng.choice([0.001, 0.1, 1.0, 100.0], n)
    if draw(st.booleans()):
        units = np.floor(units / lots) * lots
    targets[rng.random(n) < 0.2] = 0.0
    if not long_only:
        targets, units = targets * rng.choice([-1, 1], n), units * rng.choice([-0.2, 1], n)
    least = rng.choice([0.0, 1.0, 200.0], n)
    band, rate = draw(st.sampled_from([0.0, 0.001, 0.02])), draw(st.sampled_from([0.0, 0.0006, 0.05]))
    return Rebalance(units, prices, float(shares[n]), targets, lots, least, band, rate)


BOTH = st.booleans().flatmap(lambda long_only: accounts(long_only=long_only))


@settings(max_examples=150)
@given(accounts())
def test_a_long_only_book_never_needs_credit(book: Rebalance) -> None:
    """After all orders and their cost there is cash, and after the sales alone there is more than before."""
    found = plan(book)
    assert found.cash >= -1e-9 * book.worth
    assert book.cash_after(np.minimum(found.trades, 0.0)) >= book.cash


@settings(max_examples=150)
@given(BOTH)
def test_orders_keep_to_lots_and_smallest_amounts(book: Rebalance) -> None:
    """But for names that go, which go whole."""
    found = plan(book)
    goes = book.targets == 0.0
    np.testing.assert_array_equal(found.trades[goes], -book.units[goes])
    lots = found.trades[~goes] / book.lots[~goes]
    np.testing.assert_allclose(lots, np.round(lots), rtol=1e-9, atol=1e-6)
    amounts = np.abs(found.trades * book.prices)
    made = ~goes & (found.trades != 0.0)
    assert (amounts[made] >= book.least[made] * (1 - 1e-9)).all()


@settings(max_examples=150)
@given(BOTH)
def test_value_less_cost_is_kept(book: Rebalance) -> None:
    """What the account is worth afterwards is what it was worth, less the costs."""
    found = plan(book)
    after = found.cash + (book.units + found.trades) @ book.prices
    assert after == pytest.approx(book.worth - found.costs.sum(), rel=1e-9)
    np.testing.assert_allclose(found.costs, np.abs(found.trades) * book.prices * book.rate, rtol=1e-12)


@settings(max_examples=200)
@given(BOTH)
def test_asked_again_there_is_nothing_to_do(book: Rebalance) -> None:
    """Whoever does the orders at these prices and costs and asks again, gets none; the exit code falls to 0."""
    found = plan(book)
    again = plan(replace(book, units=book.units + found.trades, cash=found.cash))
    assert not again.trades.any()


@settings(max_examples=100)
@given(BOTH)
def test_what_is_not_traded_is_told(book: Rebalance) -> None:
    """A name off its target has an order or a rule, a name at its target neither, and the figure breaks the limit."""
    found = plan(book)
    kept = found.rules > 0
    assert not (kept & (found.trades != 0.0)).any()
    gap = book.targets * book.capital_after(float(found.costs.sum())) / book.prices - book.units
    assert ((found.trades != 0.0) | kept)[gap != 0.0].all()
    small = kept & (found.rules < 4)
    assert (found.values[small] < found.limits[small] * (1 + 1e-6)).all()


@settings(max_examples=300)
@given(BOTH, st.randoms(use_true_random=False))
def test_the_order_of_names_does_not_matter(book: Rebalance, random: object) -> None:
    """Shuffled names get the same trades, to the bit."""
    order = np.array(random.sample(range(len(book.units)), len(book.units)))  # type: ignore[attr-defined]
    fields = ("units", "prices", "targets", "lots", "least")
    other = plan(replace(book, **{name: getattr(book, name)[order] for name in fields}))
    np.testing.assert_array_equal(other.trades, plan(book).trades[order])


NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=8).filter(
    lambda name: name != CASH
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIONS = st.builds(Position, FINITE, st.none() | st.floats(1e-300, 1e300))
HOLDINGS = st.builds(Holdings, st.dictionaries(NAMES, POSITIONS, max_size=6), st.none() | FINITE)


def as_rows(held: Holdings) -> list[dict[str, object]]:
    """The records of a file that says *held*."""
    rows: list[dict[str, object]] = [{"symbol": symbol, **vars(p)} for symbol, p in held.positions.items()]
    return rows + ([] if held.cash is None else [{"symbol": CASH, "quantity": held.cash, "price": None}])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOLDINGS)
def test_holdings_come_back_as_they_were_written(tmp_path: Path, held: Holdings) -> None:
    """To the last bit, from CSV, from JSON records and from JSON by symbol."""
    rows = as_rows(held)
    text = io.StringIO()
    writer = csv.DictWriter(text, ["symbol", "quantity", "price"])
    writer.writeheader()
    writer.writerows(rows)
    by_symbol = {str(row["symbol"]): {k: v for k, v in row.items() if k != "symbol"} for row in rows}
    written = {"a.csv": text.getvalue(), "a.json": json.dumps(rows), "b.json": json.dumps(by_symbol)}
    for name, content in written.items():
        (tmp_path / name).write_text(content, encoding="utf-8", newline="")
        assert read_holdings(tmp_path / name) == held


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    st.binary(max_size=80)
    | st.text(max_size=80).map(str.encode)
    | st.lists(st.sampled_from(["symbol", "quantity", "KO", "1", "-", ",", "\n", '"', "{", "}", "[", "]", ":", "cash"]))
    .map("".join)
    .map(str.encode),
    st.sampled_from(["a.csv", "a.json"]),
)
def test_any_bytes_are_holdings_or_a_usage_error(tmp_path: Path, content: bytes, name: str) -> None:
    """Nothing else: no other exception, no number that is not finite."""
    (tmp_path / name).write_bytes(content)
    try:
        found = read_holdings(tmp_path / name)
    except ConfigError:
        return
    assert found.cash is None or np.isfinite(found.cash)
    assert np.isfinite([position.quantity for position in found.positions.values()]).all()
