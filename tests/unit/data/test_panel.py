"""The price panel: its shape is checked, and cuts never look ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantflow.data.panel import Panel
from quantflow.errors import DataError

DAYS = np.arange("2020-01-01", "2020-01-06", dtype="datetime64[D]")


def panel(close: np.ndarray, **fields: np.ndarray) -> Panel:
    """Return a panel of symbols A, B, … over the first days of 2020."""
    symbols = tuple("ABCDEFGH"[: len(close)])
    days = np.datetime64("2020-01-01", "D") + np.arange(close.shape[1])
    return Panel(symbols, days, {"close": close, **fields})


def test_close_is_needed() -> None:
    """A panel without closes is refused."""
    with pytest.raises(DataError, match="close"):
        Panel(("A",), DAYS, {"open": np.ones((1, 5))})


@pytest.mark.parametrize("values", [np.ones((5, 1)), np.ones((1, 5), dtype=np.float32), np.ones(5)])
def test_fields_have_the_panels_shape(values: np.ndarray) -> None:
    """A field of another shape or type is refused by name."""
    with pytest.raises(DataError, match="'volume'"):
        Panel(("A",), DAYS, {"close": np.ones((1, 5)), "volume": values})


@pytest.mark.parametrize("days", [DAYS[::-1], DAYS[[0, 1, 1, 2, 3]]])
def test_sessions_increase_strictly(days: np.ndarray) -> None:
    """Unordered or repeated sessions are refused."""
    with pytest.raises(DataError, match="strictly increasing"):
        Panel(("A",), days, {"close": np.ones((1, 5))})


def test_returns_are_simple_and_stop_at_holes() -> None:
    """A return next to a hole is NaN, every other one is price over price less one."""
    got = panel(np.array([[1.0, 2.0, np.nan, 4.0, 3.0]])).returns()
    np.testing.assert_array_equal(got, [[np.nan, 1.0, np.nan, np.nan, -0.25]])


@given(hnp.arrays(np.float64, (3, 5), elements=st.floats(1, 100)), st.integers(0, 4))
@settings(max_examples=30)
def test_up_to_is_blind_to_what_follows(close: np.ndarray, last: int) -> None:
    """A cut holds every session up to the date, none after, and is the same whatever comes later."""
    whole = panel(close)
    other = close.copy()
    other[:, last + 1 :] = 7.0
    cut, blind = whole.up_to(whole.sessions[last]), panel(other).up_to(whole.sessions[last])
    assert cut.last_session == whole.sessions[last]
    assert cut.close.flags.c_contiguous
    np.testing.assert_array_equal(cut.close, close[:, : last + 1])
    np.testing.assert_array_equal(cut.close, blind.close)


def test_up_to_a_day_that_is_no_session() -> None:
    """A date between sessions means the session before it; a date before all means nothing."""
    gaps = Panel(("A",), DAYS[[0, 2, 4]], {"close": np.ones((1, 3))})
    assert len(gaps.up_to(DAYS[3]).sessions) == 2
    assert len(gaps.up_to(np.datetime64("2019-01-01")).sessions) == 0


def test_select_keeps_the_panels_order() -> None:
    """Symbols come back in the panel's order, with their own rows; an unknown one is refused by name."""
    whole = panel(np.arange(15.0).reshape(3, 5), volume=np.arange(15.0).reshape(3, 5) * 2)
    part = whole.select(["C", "A"])
    assert part.symbols == ("A", "C")
    np.testing.assert_array_equal(part.fields["volume"], whole.fields["volume"][[0, 2]])
    with pytest.raises(DataError, match="Z"):
        whole.select(["A", "Z"])


def test_cuts_are_copies() -> None:
    """Writing into a cut leaves the panel as it was."""
    whole = panel(np.ones((2, 5)))
    whole.window(0, 3).close[:] = 5.0
    whole.select(["A"]).close[:] = 5.0
    assert (whole.close == 1.0).all()


def test_frame_is_sessions_by_symbols() -> None:
    """The DataFrame has one row per session, oldest first, one column per symbol."""
    frame = panel(np.arange(10.0).reshape(2, 5)).frame()
    assert list(frame.columns) == ["A", "B"]
    assert frame.index.name == "date"
    assert frame.loc["2020-01-02", "B"] == 6.0
