"""The data contract: each threshold decides what it says, and nothing is invented or lost."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.config.data import DataConfig
from quantflow.data.grid import Grid
from quantflow.data.panel import Panel
from quantflow.data.quality.contracts import (
    QUALITY_COLUMNS,
    Finding,
    broken_off,
    check_bars,
    check_panel,
    ended,
    quality_frame,
    quarantined,
)
from quantflow.errors import DataError

DAYS = np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]")
LOOSE = DataConfig(min_sessions=2, max_stale=999, max_tail=999, max_gap=999, max_holes=1.0, spike_mad=1e9, jump_mad=1e9)


def bars(*rows: tuple[str, str, float], **columns: list[float]) -> pd.DataFrame:
    """Return raw bars from (symbol, date, close)."""
    frame = pd.DataFrame(rows, columns=["symbol", "date", "close"]).assign(**columns)
    return frame.assign(date=pd.to_datetime(frame["date"]))


def to_panel(raw: pd.DataFrame, symbols: list[str], days: np.ndarray) -> tuple[Panel, list[Finding]]:
    """Return the panel of raw bars over all *days*, and the findings."""
    grid = Grid(symbols, days[0].item(), days[-1].item(), lambda first, last: days)
    grid.add(raw)
    panel = grid.panel()
    if not len(panel.sessions):
        panel = Panel(tuple(symbols), days, {"close": np.full((len(symbols), len(days)), np.nan)})
    return panel, grid.findings()


def walk(length: int = 300, seed: int = 3) -> np.ndarray:
    """Return closes of a random walk."""
    return 50.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, length)))


def found(close: np.ndarray, config: DataConfig = LOOSE, **fields: np.ndarray) -> list[Finding]:
    """Return the findings of one symbol's series."""
    days = np.datetime64("2015-01-01", "D") + np.arange(len(close))
    panel = Panel(("A",), days, {"close": close[None], **{name: values[None] for name, values in fields.items()}})
    return check_panel(panel, config)


def limits(**changes: Any) -> DataConfig:
    """Return loose limits with *changes*."""
    return LOOSE.model_copy(update=changes)


def test_a_clean_series_passes_every_check() -> None:
    """An ordinary series has no finding under the default limits."""
    assert found(walk(), DataConfig()) == []


STALE = np.concatenate([walk(100), np.full(20, 9.0), walk(100)])
TAIL = np.concatenate([walk(100), np.full(7, 9.0)])
GAP = np.concatenate([walk(100), np.full(8, np.nan), walk(100)])
HOLES = np.where(np.arange(200) % 10 == 5, np.nan, walk(200))
SPIKE = np.where(np.arange(200) == 100, 10.0, 1.0) * walk(200)


@pytest.mark.parametrize(
    ("check", "close", "key", "strict", "loose", "action", "observed"),
    [
        ("history", walk(100), "min_sessions", 101, 100, "on_history", 100),
        ("stale", STALE, "max_stale", 18, 19, "on_stale", 19),
        ("tail", TAIL, "max_tail", 5, 6, "on_tail", 6),
        ("gap", GAP, "max_gap", 7, 8, "on_gap", 8),
        ("holes", HOLES, "max_holes", 0.09, 0.11, "on_gap", 0.1),
        ("spike", SPIKE, "spike_mad", 40.0, 1e6, "on_spike", None),
    ],
)
def test_each_threshold_decides(
    check: str, close: np.ndarray, key: str, strict: float, loose: float, action: str, observed: float | None
) -> None:
    """A breach is found just beyond the limit and not at it, and its action decides what it does."""
    assert found(close, limits(**{key: loose})) == []
    (warned,) = found(close, limits(**{key: strict, action: "warn"}))
    (aside,) = found(close, limits(**{key: strict, action: "quarantine"}))
    assert (warned.check, warned.outcome, warned.severity) == (check, "warn", "warn")
    assert (aside.check, aside.outcome, aside.severity) == (check, "quarantined", "error")
    assert aside.limit == strict
    assert aside.reason
    if observed is not None:
        assert aside.observed == pytest.approx(observed, abs=0.01)


def jumped(at: int = 200, factor: float = 0.5) -> np.ndarray:
    """Closes with a split left in at a session."""
    return np.where(np.arange(300) >= at, factor, 1.0) * walk(300)


@pytest.mark.parametrize(
    ("action", "severity", "outcome"),
    [
        ("hold", "warn", "warn"),
        ("warn", "warn", "warn"),
        ("quarantine", "error", "quarantined"),
        ("block", "error", "blocked"),
    ],
)
def test_a_jump_that_stays_names_day_and_cause(action: Any, severity: str, outcome: str) -> None:
    """The finding has the session, the ratio, what it looks like, and does what the profile says."""
    (finding,) = found(jumped(), DataConfig(on_jump=action))
    assert (finding.check, finding.severity, finding.outcome, finding.date) == ("jump", severity, outcome, "2015-07-20")
    assert finding.limit == 15.0
    assert finding.observed > 40
    assert "the close of 2015-07-20 is 1/" in finding.reason
    assert "a split of 2:1 left in?" in finding.reason


def test_a_jump_within_its_limit_or_real_is_none() -> None:
    """jump_mad bounds it; a move that real_moves names, by symbol and day, is the market's."""
    assert found(jumped(), DataConfig(jump_mad=500.0)) == []
    assert found(jumped(), DataConfig(real_moves=("A 2015-07-20",))) == []
    assert len(found(jumped(), DataConfig(real_moves=("B 2015-07-20", "A 2015-07-21")))) == 1
    with pytest.raises(ValueError, match="real_moves"):
        DataConfig(real_moves=("A 20 July 2015",))


def test_volume_and_raw_close_count_for_a_jump() -> None:
    """The panel's own volume and raw close are looked at."""
    volume = np.random.default_rng(0).lognormal(10, 0.2, 300)
    volume[200] *= 20
    assert found(jumped(), DataConfig(), volume=volume) == []
    assert "adjusted" in found(jumped(factor=0.6), DataConfig(), raw_close=walk(300))[0].reason


def test_a_missing_tail_counts_like_a_flat_one() -> None:
    """Sessions without a price at the end, and an unchanged price before them, add up."""
    close = np.concatenate([walk(100), [9.0, 9.0, 9.0, np.nan, np.nan]])
    tail, last = found(close, limits(max_tail=3))
    assert (tail.check, tail.observed) == ("tail", 4.0)
    assert (last.check, last.observed, last.outcome) == ("last_bar", 2.0, "quarantined")


@pytest.mark.parametrize("config", [DataConfig(), DataConfig(on_tail="warn"), DataConfig(on_tail="block")])
def test_a_series_that_stopped_has_ended(config: DataConfig) -> None:
    """Without a bar for longer than max_tail it is said to have ended, and no other check blames it; block blocks."""
    close = np.concatenate([walk(300), np.full(6, np.nan)])
    (over,) = found(close, config)
    outcome = "blocked" if config.on_tail == "block" else "ended"
    assert (over.check, over.outcome, over.observed, over.limit) == ("ended", outcome, 6.0, 5.0)
    assert over.date == "2015-10-27"
    assert over.date in over.reason
    young = np.concatenate([walk(30), np.full(60, np.nan)])
    assert [finding.check for finding in found(young, config)] == ["ended"]


def test_a_repeated_last_price_has_ended_too() -> None:
    """A source that fills the sessions after a delisting with the last price: ended once that is stale as well."""
    padded = np.concatenate([walk(300), np.full(12, 9.0)])
    (over,) = found(padded, DataConfig())
    assert (over.check, over.outcome, over.date) == ("ended", "ended", "2015-10-28")
    assert [finding.check for finding in found(padded[:-3], DataConfig())] == ["tail"]
    assert {finding.check for finding in found(padded, DataConfig(on_tail="warn"))} == {"tail", "stale"}


@pytest.mark.parametrize(("back", "together", "aside"), [(20, 3, True), (20, 2, False), (200, 3, False)])
def test_a_source_that_broke_off_is_told_from_names_that_ended(back: int, together: int, aside: bool) -> None:
    """More than the budget that end on one session of the last quarter are set aside; fewer, or long ago, ended."""
    close = np.stack([walk(600, seed) for seed in range(8)])
    close[:together, -back:] = np.nan
    panel = Panel(tuple("ABCDEFGH"), np.datetime64("2015-01-01", "D") + np.arange(600), {"close": close})
    findings = broken_off(check_panel(panel, DataConfig()), 8, panel, DataConfig())
    assert (quarantined(findings), ended(findings)) == ((tuple("ABC"), ()) if aside else ((), tuple("ABC"[:together])))


def test_no_price_at_all_is_no_history() -> None:
    """A symbol without any price is set aside whatever the limits are."""
    (finding,) = found(np.full(10, np.nan), limits(on_history="warn"))
    assert (finding.check, finding.outcome, finding.observed) == ("history", "quarantined", 0.0)


def test_a_jump_that_stays_is_no_spike() -> None:
    """A crash that is not taken back is the market, not a bad print; nor is one in the last session."""
    crash = np.where(np.arange(200) >= 100, 0.3, 1.0) * walk(200)
    last = np.where(np.arange(200) == 199, 3.0, 1.0) * walk(200)
    assert found(crash, limits(spike_mad=20.0)) == []
    assert found(last, limits(spike_mad=20.0)) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("close", 0.0), ("close", -1.0), ("close", np.inf), ("open", 0.0), ("high", 0.5), ("low", -2.0), ("volume", -1.0)],
)
def test_impossible_values_are_never_relaxed(field: str, value: float) -> None:
    """Prices that are not positive, volume below zero, or a high below the low set a symbol aside."""
    fields = {name: np.full(30, level) for name, level in (("open", 5.0), ("high", 6.0), ("low", 4.0), ("volume", 0.0))}
    fields["close"] = walk(30)
    assert found(fields["close"], **{k: v for k, v in fields.items() if k != "close"}) == []
    fields[field][7] = value
    (finding,) = found(fields["close"], **{k: v for k, v in fields.items() if k != "close"})
    assert (finding.check, finding.outcome, finding.observed) == ("bounds", "quarantined", 1.0)


def test_bars_land_on_their_session_and_holes_stay_holes() -> None:
    """A session without a bar is NaN: not zero, not the price before."""
    panel, findings = to_panel(bars(("A", "2020-01-02", 5.0), ("B", "2020-01-04", 7.0)), ["A", "B"], DAYS[:4])
    np.testing.assert_array_equal(panel.close, [[np.nan, 5, np.nan, np.nan], [np.nan, np.nan, np.nan, 7]])
    assert findings == []


@pytest.mark.parametrize(
    ("rows", "check", "outcome"),
    [
        ([("A", "2020-01-02", 1.0), ("A", "2020-01-11", 2.0)], "after_as_of", "warn"),
        ([("A", "2020-01-02", 1.0), ("A", "2019-12-31", 2.0)], "before_start", "warn"),
        ([("A", "2020-01-02", 1.0), ("A", "2020-01-05", 2.0)], "off_session", "warn"),
        ([("A", "2020-01-03", 1.0), ("A", "2020-01-02", 2.0)], "unsorted", "warn"),
        ([("A", "2020-01-02", 1.0), ("A", "2020-01-02", 1.0)], "duplicate", "warn"),
        ([("A", "2020-01-02", 1.0), ("A", "2020-01-02", 2.0)], "conflict", "quarantined"),
    ],
)
def test_raw_bars_are_judged(rows: list[tuple[str, str, float]], check: str, outcome: str) -> None:
    """Each fault of raw bars is found once, counted, and does what it says."""
    grid = DAYS[np.arange(10) != 4]
    panel, findings = to_panel(bars(*rows), ["A"], grid)
    by_check = {finding.check: finding for finding in findings}
    assert (by_check[check].outcome, by_check[check].observed) == (outcome, 1.0)
    assert panel.close[0, 1] in (1.0, 2.0)
    assert panel.last_session == DAYS[-1]


def test_bars_by_date_are_not_out_of_order() -> None:
    """A table ordered by date, then symbol, is in order; rows of other symbols are ignored."""
    rows = [(symbol, f"2020-01-0{day}", 1.0) for day in (1, 2, 3) for symbol in ("B", "A", "Z")]
    panel, findings = to_panel(bars(*rows), ["A", "B"], DAYS)
    assert findings == []
    assert panel.symbols == ("A", "B")


def test_all_fields_travel_and_empty_ones_do_not() -> None:
    """Volume comes along where there is any; a column without a value is not a field."""
    raw = bars(("A", "2020-01-01", 1.0), volume=[5.0], high=[np.nan])
    assert set(to_panel(raw, ["A"], DAYS)[0].fields) == {"close", "volume"}


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 12), st.floats(1, 9)), max_size=25), st.randoms())
@settings(max_examples=60)
def test_panel_against_a_plain_dictionary(rows: list[tuple[str, int, float]], random: Any) -> None:
    """Every bar within the sessions lands where a dictionary puts it, whatever the order of the rows."""
    expected = {(symbol, day): close for symbol, day, close in rows if day < 10}
    unique = [(symbol, day, close) for symbol, day, close in rows if expected.get((symbol, day), close) == close]
    random.shuffle(unique)
    raw = bars(*((symbol, str(DAYS[0] + day), close) for symbol, day, close in unique))
    panel, findings = to_panel(raw, ["A", "B"], DAYS)
    for row, symbol in enumerate("AB"):
        for day in range(10):
            np.testing.assert_equal(panel.close[row, day], expected.get((symbol, day), np.nan))
    late = sum(finding.observed for finding in findings if finding.check == "after_as_of")
    assert late == sum(day >= 10 for _, day, _ in unique)
    assert quarantined(findings) == ()


@pytest.mark.parametrize(
    ("broken", "part"),
    [
        (bars(("A", "2020-01-01", 1.0)).drop(columns="close"), "no column 'close'"),
        (bars(("A", "2020-01-01", 1.0)).assign(date="2020-01-01"), "not datetime64"),
        (bars(("A", "2020-01-01", 1.0)).assign(date=pd.Timestamp("2020-01-01", tz="UTC")), "time zone"),
        (bars(("A", "2020-01-01", 1.0)).assign(date=pd.to_datetime([None])), "without a date"),
        (bars(("A", "2020-01-01", 1.0)).assign(volume="many"), "'volume' is"),
        (bars(("A", "1899-12-31", 1.0)), "before 1900"),
    ],
)
def test_what_is_no_table_of_bars_is_refused(broken: pd.DataFrame, part: str) -> None:
    """A missing column, text for numbers or a date with a zone is a DataError that names it."""
    with pytest.raises(DataError, match=part):
        check_bars(broken)


def test_quality_table_has_its_columns_even_when_empty() -> None:
    """The table has the promised columns and types, sorted by symbol and check."""
    empty = quality_frame([])
    rows = [Finding("B", "gap", "warn", 1, 0, "warn", "r"), Finding("A", "gap", "error", 1, 0, "quarantined", "r")]
    full = quality_frame(rows)
    assert tuple(empty.columns) == tuple(full.columns) == QUALITY_COLUMNS
    assert (empty.dtypes == full.dtypes).all()
    assert full["symbol"].tolist() == ["A", "B"]
    assert quarantined(rows) == ("A",)


def test_every_limit_of_the_section_is_tested_here() -> None:
    """A new key of the data section cannot arrive without a look at this file."""
    assert set(DataConfig.model_fields) == {
        "provider", "start", "min_sessions", "max_stale", "max_tail", "max_age", "max_gap", "max_holes", "spike_mad",
        "jump_mad", "real_moves", "on_history", "on_stale", "on_tail", "on_age", "on_gap", "on_spike", "on_jump",
        "on_restated", "quarantine_budget",
    }  # fmt: skip
    assert DataConfig(start=date(2000, 1, 1)).start is not None
