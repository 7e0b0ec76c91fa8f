"""The nested walk-forward: against a slow rebuild, and blind to what comes later."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.config.operation import ValidationConfig
from quantflow.config.sections import RebalanceConfig
from quantflow.data.quotes import Quotes
from quantflow.errors import DataError
from quantflow.stages.sweep.nested import COLUMNS, empty, nested
from quantflow.stages.sweep.trials import Trials
from quantflow.stages.walk_forward import Rules

NAMES = ("A", "B", "C")
DAYS = pd.bdate_range("2020-01-01", periods=300)
RATE = 6.0 / 1e4
"""What a trade costs by default: a commission of 1 and slippage of 5 basis points."""


def rules(lag: int = 1) -> Rules:
    """The defaults, with a lag."""
    return Rules(RebalanceConfig(every="monthly", lag=lag), ValidationConfig(), 252)


def world(seed: int, trials: int = 4, step: int = 20) -> tuple[Trials, dict[int, pd.DataFrame], Quotes]:
    """Trials with streams of their own, what each decided every *step* sessions or twice as seldom, and a market."""
    rng = np.random.default_rng(seed)
    quotes = Quotes(
        NAMES,
        DAYS.to_numpy().astype("datetime64[D]"),
        rng.normal(0.0003, 0.02, (3, len(DAYS))),
        np.ones((3, len(DAYS)), dtype=bool),
    )
    numbers = [2 * k + 1 for k in range(trials)]
    streams = {n: pd.DataFrame({"net": rng.normal(0.0005, 0.01, 250)}, index=DAYS[50:]) for n in numbers}
    variants = [
        {"number": n, "variant": {"a.b": n}, "state": "completed", "message": "", "settings": ""} for n in numbers
    ]
    weights = {n: decided(rng, range(49 + 3 * (n % 2), 299, step * (1 + n % 2))) for n in numbers}
    return Trials(variants, streams, (), 252), weights, quotes


def decided(rng: np.random.Generator, positions: range) -> pd.DataFrame:
    """Random portfolios of two names."""
    rows: list[tuple[Any, ...]] = []
    for position in positions:
        for symbol, weight in zip(rng.choice(NAMES, 2, replace=False), rng.dirichlet([1.0, 1.0]), strict=True):
            rows.append((DAYS[position], DAYS[min(position + 1, 299)], symbol, weight))
    return pd.DataFrame(rows, columns=["decided", "date", "symbol", "weight"])


def slowly(
    trials: Trials, weights: dict[int, pd.DataFrame], quotes: Quotes, lag: int
) -> tuple[list[int], list[pd.Timestamp], pd.DataFrame]:
    """The choices, the days of them, and the returns, session by session."""
    days = sorted({day for frame in weights.values() for day in frame["decided"]})
    orders: dict[pd.Timestamp, pd.Series] = {}
    choices, when = [], []
    for day in days:
        known = {n: frame["net"].loc[:day] for n, frame in trials.streams.items()}
        at = DAYS.get_loc(day) + lag
        if len(next(iter(known.values()))) < 63 or at >= len(DAYS):
            continue
        best = max(known, key=lambda n: known[n].mean() / known[n].std())
        own = weights[best]
        last = own.loc[own["decided"] <= day, "decided"].max()
        choices.append(best)
        when.append(day)
        orders[DAYS[at]] = own[own["decided"] == last].set_index("symbol")["weight"].reindex(NAMES).fillna(0.0)
    first = DAYS.get_loc(min(orders))
    return choices, when, held_through(first, {DAYS.get_loc(day): o.to_numpy() for day, o in orders.items()}, quotes)


def held_through(first: int, orders: dict[int, Any], quotes: Quotes) -> pd.DataFrame:
    """What portfolios earn, session by session."""
    rows, held = [], np.zeros(len(NAMES))
    for day in range(first, len(DAYS)):
        gross = float(held @ quotes.returns[:, day]) if rows else 0.0
        held = held * (1.0 + quotes.returns[:, day]) / (1.0 + gross)
        turnover = float(np.abs(orders[day] - held).sum()) if day in orders else 0.0
        held = orders.get(day, held)
        rows.append(((1.0 + gross) * (1.0 - turnover * RATE) - 1.0, gross, turnover * RATE, turnover))
    return pd.DataFrame(rows, DAYS[first:], list(COLUMNS[:-1]))


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), lag=st.integers(0, 3), step=st.integers(4, 40))
def test_it_is_what_a_slow_rebuild_gives(seed: int, lag: int, step: int) -> None:
    """Choices, returns before and after costs, and turnover, to 1e-10."""
    trials, weights, quotes = world(seed, step=step)
    stream, figures = nested(trials, weights, quotes, rules(lag))
    choices, _, expected = slowly(trials, weights, quotes, lag)
    assert figures["chosen"] == choices
    assert figures["choices"] == len(choices)
    assert figures["changes"] == sum(a != b for a, b in itertools.pairwise(choices))
    assert list(stream.columns) == list(COLUMNS)
    pd.testing.assert_frame_equal(
        stream[list(expected)],
        expected,
        rtol=0,
        atol=1e-10,
        check_names=False,
        check_freq=False,
        check_index_type=False,
    )
    assert figures["sharpe"] == pytest.approx(expected["net"].mean() / expected["net"].std() * 252**0.5, rel=1e-9)


def test_the_trial_of_each_session_is_the_one_that_is_held() -> None:
    """From the session that trades on, until the next one trades."""
    trials, weights, quotes = world(3)
    stream, _ = nested(trials, weights, quotes, rules(2))
    choices, when, _ = slowly(trials, weights, quotes, 2)
    traded = pd.Series(choices, [DAYS[min(DAYS.get_loc(day) + 2, 299)] for day in when])
    expected = traded[~traded.index.duplicated(keep="first")].reindex(stream.index).ffill()
    assert list(stream["trial"]) == list(expected)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), end=st.integers(160, 290))
def test_what_comes_later_changes_no_earlier_choice_or_return(seed: int, end: int) -> None:
    """Neither trials' returns, nor the market's, nor what is decided after a session: to the last bit."""
    trials, weights, quotes = world(seed)
    rng = np.random.default_rng(seed + 1)
    cut = DAYS[end]
    later = {}
    for n, frame in trials.streams.items():
        after = frame.index > cut
        later[n] = frame.assign(net=np.where(after, rng.normal(0.0, 0.05, len(frame)), frame["net"]))
    others = {
        n: frame.assign(weight=np.where(frame["decided"] > cut, 0.5, frame["weight"])) for n, frame in weights.items()
    }
    moved = np.where(np.arange(len(DAYS)) > end, rng.normal(0.0, 0.05, quotes.returns.shape), quotes.returns)
    market = Quotes(quotes.names, quotes.sessions, moved, quotes.tradable)
    before, _ = nested(trials, weights, quotes, rules())
    after_all, _ = nested(Trials(trials.variants, later, (), 252), others, market, rules())
    pd.testing.assert_frame_equal(before.loc[:cut], after_all.loc[:cut], check_exact=True)
    assert len(before.loc[:cut]) > 0


def test_no_choice_before_a_quarter_of_a_year() -> None:
    """The stream begins with the first choice, not with the first decision."""
    trials, weights, quotes = world(5)
    stream, figures = nested(trials, weights, quotes, rules())
    assert stream.index[0] > DAYS[50 + 61]
    assert figures["start"] == str(stream.index[0].date())


@pytest.mark.parametrize("last", [60, 100])
def test_decisions_that_are_all_too_early_are_refused(last: int) -> None:
    """In words."""
    trials, weights, quotes = world(5)
    early = {n: frame[frame["decided"] <= DAYS[last]] for n, frame in weights.items()}
    with pytest.raises(DataError, match="No rebalance comes late enough to choose"):
        nested(trials, early, quotes, rules())


def test_a_choice_that_is_never_traded_is_none() -> None:
    """Where the only decision that leaves time for a choice comes too late to be traded."""
    trials, _, quotes = world(5)
    rng = np.random.default_rng(1)
    late = {n: decided(rng, range(298, 299)) for n in trials.streams}
    with pytest.raises(DataError, match="No rebalance comes late enough to choose"):
        nested(trials, late, quotes, rules(lag=3))


def test_without_it_the_stream_is_empty_and_of_the_same_form() -> None:
    """So that what reads it needs no case of its own."""
    trials, weights, quotes = world(1)
    stream, _ = nested(trials, weights, quotes, rules())
    assert list(empty().columns) == list(stream.columns)
    assert (len(empty()), empty().index.name) == (0, stream.index.name)
