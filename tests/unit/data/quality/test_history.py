"""Names of now and of once in one panel, their last moves, and when they can be traded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quantflow.config.data import DataConfig
from quantflow.data.grid import split
from quantflow.data.panel import Panel
from quantflow.data.quality.history import mortality, tradable, whole, with_last_moves
from quantflow.data.quality.roster import roster
from quantflow.quant.backtest import carried_returns

NAN = np.nan
DAYS = np.datetime64("2020-01-01", "D") + np.arange(12)
FACTS = pd.DataFrame(
    dict.fromkeys(("name", "sector", "currency", "exchange"), "x"), index=pd.Index(list("ABC"), name="symbol")
)


def panel() -> Panel:
    """A lives, B has a hole and ends after the fourth session, C comes late."""
    close = np.full((3, 12), NAN)
    close[0] = np.arange(10.0, 22.0)
    close[1, [0, 1, 3]] = [5.0, 6.0, 3.0]
    close[2, 6:] = np.arange(6.0, 12.0)
    return Panel(("A", "B", "C"), DAYS, {"close": close, "volume": close * 100})


@pytest.mark.parametrize("past", ["", "B", "AC", "ABC"])
def test_what_was_split_is_put_together_again(past: str) -> None:
    """Whoever lies in the past, the whole has each field of each symbol; without a past it is the first panel."""
    now = set("ABC") - set(past) or {"A"}
    prices, others = split(panel(), now, set(past) - now)
    found = whole(prices, others)
    assert found.symbols == ("A", "B", "C")
    for name, values in panel().fields.items():
        np.testing.assert_array_equal(found.fields[name], values)
    assert (found is prices) is not bool(others.symbols)


def test_both_begin_with_the_first_price_of_any() -> None:
    """Sessions before every price are dropped, those of a dead name alone are kept; a name without a price is not."""
    close = panel().close.copy()
    close[0, :8], close[1, 0], close[2] = NAN, NAN, NAN
    prices, others = split(Panel(("A", "B", "C"), DAYS, {"close": close}), {"A"}, {"B", "C"})
    assert (prices.symbols, others.symbols) == (("A",), ("B",))
    assert prices.sessions[0] == others.sessions[0] == DAYS[1]


def test_a_name_can_be_traded_with_a_bar_and_when_it_has_ended() -> None:
    """Not in a hole, nor before its first bar; once it has had none for longer than max_tail it is paid out."""
    found = tradable(panel(), DataConfig(max_tail=5))
    assert found[0].all()
    assert found[1].tolist() == [True, True, False, True, *[False] * 5, True, True, True]
    assert found[2].tolist() == [False] * 6 + [True] * 6
    early = tradable(panel().window(0, 9), DataConfig(max_tail=5))
    np.testing.assert_array_equal(early, found[:, :9])


def test_the_last_move_comes_on_the_session_after_the_last_bar() -> None:
    """Of a name that has bars to the end there is none, whatever the file says; what is not given is 0."""
    returns = carried_returns(panel().close)
    facts = FACTS.assign(delisting_return=[-0.9, -0.5, NAN])
    moved = with_last_moves(returns, panel(), roster(facts, "ABC", None), DataConfig(max_tail=2))
    changed = np.argwhere(np.nan_to_num(moved) != np.nan_to_num(returns))
    assert changed.tolist() == [[1, 4]]
    assert moved[1, 4] == -0.5
    assert with_last_moves(returns, panel(), roster(FACTS, "ABC", None), DataConfig()) is returns


def test_mortality_counts_who_could_be_used() -> None:
    """Names that never could be used are not among them; without any there is no share."""
    able = np.array([[True, True, False], [True, False, False]])
    config, who = DataConfig(max_tail=2), roster(FACTS, "ABC", None)
    assert mortality(panel(), able, who, config) == {"names": 2, "ended": 1, "share": 0.5, "members": False}
    assert mortality(panel(), ~able & False, who, config)["share"] is None
