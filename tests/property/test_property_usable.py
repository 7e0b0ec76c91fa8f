"""Which symbols may be used at a date: by what was known then, and as the data contract judges the last session."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.config.data import DataConfig
from quantflow.data.panel import Panel
from quantflow.data.quality.contracts import check_panel, ended, quarantined
from quantflow.data.quality.roster import known_by, members, roster
from quantflow.data.quality.usable import usable

T = 160
DAYS = np.datetime64("2020-01-01", "D") + np.arange(T)


@st.composite
def panels(draw: Any) -> Panel:
    """Random walks with what happens to real ones: late births, deaths, holes, gaps, flat stretches, spikes, jumps."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    close = 50.0 * np.exp(np.cumsum(random.normal(0, 0.01, (6, T)), axis=1))
    for row in close:
        kinds = draw(st.lists(st.sampled_from(("birth", "death", "holes", "gap", "flat", "spike", "jump", "pad"))))
        for kind in kinds:
            at, long = draw(st.integers(0, T - 1)), draw(st.integers(1, 14))
            if kind == "birth":
                row[:at] = np.nan
            elif kind == "death":
                row[at:] = np.nan
            elif kind == "holes":
                row[random.random(T) < 0.08] = np.nan
            elif kind == "gap":
                row[at : at + long] = np.nan
            elif kind in ("flat", "pad"):
                row[at : at + long if kind == "flat" else None] = row[at]
            elif kind == "spike":
                row[at] *= 3.0
            else:
                row[at:] *= 0.5
    volume = random.lognormal(10, 0.3, close.shape)
    return Panel(tuple("ABCDEF"), DAYS, {"close": close, "volume": volume})


ACTIONS = st.sampled_from(("warn", "quarantine"))


@st.composite
def configs(draw: Any) -> DataConfig:
    """Limits that bite within these sessions, each check warning or setting aside."""
    keys = ("history", "stale", "tail", "gap", "spike", "jump")
    actions = {f"on_{key}": draw(ACTIONS) for key in keys}
    return DataConfig(min_sessions=60, max_stale=7, max_tail=3, max_gap=4, max_holes=0.1, **actions)


@given(panels(), configs(), st.integers(1, T))
@settings(max_examples=150)
def test_a_later_end_changes_no_earlier_answer(panel: Panel, config: DataConfig, stop: int) -> None:
    """The series cut after a session are judged up to there as the whole ones are: nothing later is looked at."""
    whole = usable(panel, np.arange(T), config)
    cut = usable(panel.window(0, stop), np.arange(stop), config)
    np.testing.assert_array_equal(cut, whole[:stop])


@given(panels(), configs(), st.lists(st.integers(30, T), min_size=12, max_size=12), st.booleans())
@settings(max_examples=150)
def test_it_is_what_the_contract_finds(panel: Panel, config: DataConfig, stops: list[int], young: bool) -> None:
    """At the last session the symbols that may be used are those that no check sets aside and that have not ended."""
    for stop in stops:
        limits = config.model_copy(update={"min_sessions": stop}) if young else config
        known = panel.window(0, stop)
        findings = check_panel(known, limits)
        out = {*quarantined(findings), *ended(findings)}
        able = usable(known, np.array([stop - 1]), limits)[0]
        assert {symbol for symbol, use in zip(known.symbols, able, strict=True) if use} == set(known.symbols) - out


@given(panels(), st.data())
@settings(max_examples=50)
def test_members_are_those_of_the_day(panel: Panel, data: Any) -> None:
    """A name is usable on a day only within a span of it, and spans as known by a day give the same up to that day."""
    ends = data.draw(st.lists(st.tuples(st.integers(0, T - 1), st.integers(0, T - 1)), min_size=6, max_size=6))
    first = [DAYS[min(pair)] for pair in ends]
    last = [DAYS[max(pair)] if min(pair) % 3 else np.datetime64("NaT") for pair in ends]
    spans = pd.DataFrame({"symbol": list("ABCDEF")})
    spans["from"], spans["to"] = np.array(first, dtype="datetime64[s]"), np.array(last, dtype="datetime64[s]")
    facts = pd.DataFrame({"sector": "s"}, index=pd.Index(list("ABCDEF"), name="symbol"))
    config = DataConfig(min_sessions=2)
    whole = usable(panel, np.arange(T), config, roster(facts, list("ABCDEF"), spans))
    inside = members(spans, list("ABCDEF"), DAYS)
    for row in range(6):
        expected = (first[row] <= DAYS) & (np.isnat(last[row]) | (last[row] >= DAYS))
        np.testing.assert_array_equal(inside[:, row], expected)
    np.testing.assert_array_equal(whole, usable(panel, np.arange(T), config) & inside)
    day = data.draw(st.integers(0, T - 1))
    then = known_by(spans, DAYS[day].item())
    np.testing.assert_array_equal(members(then, list("ABCDEF"), DAYS[: day + 1]), inside[: day + 1])
