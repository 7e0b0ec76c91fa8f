"""The page and the brief of a sweep: one file without scripts, safe whatever its settings hold."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from quantflow.stages.sweep.page import brief, heat_map, page
from quantflow.stages.sweep.report import SweepReportStage
from quantflow.stages.sweep.trials import Trials
from quantflow.stages.sweep.verdict import findings
from swept import stream

HOSTILE = "</td><script>alert('x')</script>&\"'\x1b[31m\u202e[bold]"


def inputs(values: list[Any], failed: tuple[int, ...] = (), name: str = "", **more: Any) -> dict[str, Any]:
    """What the report of a sweep over one text and one number reads."""
    variants = [
        {
            "number": number,
            "variant": {"universe.label": value, "policy.top_n": 1 + number % 2},
            "state": "failed" if number in failed else "completed",
            "message": f"Broken: {value}" if number in failed else "",
            "settings": "",
        }
        for number, value in enumerate(values, start=1)
    ]
    streams = {each["number"]: stream(each["number"]) for each in variants if each["state"] == "completed"}
    trials = Trials(variants, streams, more.pop("others", ()), 252)
    over = {"universe.label": list(dict.fromkeys(values)), "policy.top_n": [1, 2]}
    facts = {
        "run_id": "s",
        "profile": "demo",
        "as_of": "2022-12-28",
        "created": "2022-12-28T20:00:00.000+00:00",
        "sweep": {"name": name, "over": over},
        "versions": {},
        "config": {},
        "stages": [],
        "notes": [],
    }
    return {"run": facts, "trials": trials.table(), "sweep": findings(trials, "sharpe", held=21) | more}


def test_hostile_settings_and_messages_are_text() -> None:
    """In the page nothing of them is markup; control characters are gone; the brief has none either."""
    found = inputs([HOSTILE, "b", HOSTILE + "2", "c"], failed=(4, 1), name="wide")
    made = page(found, HOSTILE)
    assert "<script" not in made
    assert "&lt;script&gt;" in made
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", made + brief(found))


def test_it_is_one_file_that_loads_and_runs_nothing() -> None:
    """As the reports of runs: no script, no address, a policy that forbids both."""
    made = page(inputs(["a", "b", "c", "d"]), None)
    assert not re.search(r"<script|<link|<img|<iframe|https?://|\bon\w+=|javascript:|url\(|@import", made)
    assert "default-src 'none'" in made
    assert made.startswith("<!doctype html>")


def test_it_has_each_trial_and_what_failed() -> None:
    """Best first, then all in order, then those that failed with their reasons."""
    found = inputs(["a", "b", "c", "d"], failed=(2,))
    made = page(found, None)
    assert found["sweep"]["sentence"][:40] in made
    assert "Broken: b" in made
    assert "1 trial failed; see below." in made
    assert made.count("<table") >= 5
    assert "Sweep of demo" in made
    assert "Broken" not in page(inputs(["a", "b"]), None)


def test_what_was_tried_before_is_said() -> None:
    """The best is deflated by it."""
    assert "3 other settings were tried on these data before" in page(inputs(["a", "b"], others=[0.1, 0.2, 0.3]), None)
    assert "were tried on these data before" not in page(inputs(["a", "b"]), None)


def test_the_nested_walk_forward_has_its_own_section() -> None:
    """Or how to ask for it."""
    assert "with --nested, the choice among trials is walked forward too" in page(inputs(["a", "b"]), None)
    own = {"sharpe": 0.5, "cagr": 0.1, "max_drawdown": -0.2, "turnover_annual": 3.0, "choices": 7, "changes": 2}
    found = inputs(["a", "b"], nested={**own, "start": "2020-01-01", "end": "2022-12-28"})
    assert "may be called out of sample" in page(found, None)
    assert "Nested: Sharpe 0.50 out of sample, 7 choices" in brief(found)


def test_thousands_of_trials_are_a_page_of_bounded_size() -> None:
    """Each is in it once among all, and the ten best above."""
    found = inputs([f"v{number}" for number in range(40)])
    table = pd.concat([found["trials"]] * 125)
    table.index = pd.RangeIndex(1, len(table) + 1, name="trial")
    made = page({**found, "trials": table}, None)
    assert len(made) < 5_000_000
    assert made.count("<tr>") > 5_000


@pytest.mark.parametrize("value", [None, 0.5])
def test_a_map_with_holes_or_of_equal_values_is_drawn(value: float | None) -> None:
    """A cell without a trial is empty; without differences nothing is coloured."""
    grid = [[0.5, value], [value, 0.5]]
    none = [[None, None], [None, None]]
    lonely = [[True, False], [False, False]]
    one = {"rows": "a.b", "columns": "c.d", "row_values": ["1", "2"], "column_values": ["x", "y"]}
    made = str(heat_map({**one, "mean": grid, "spread": none, "lonely": lonely}))
    assert ("0.50 !" in made, made.count("0.50")) == (True, 2 if value is None else 4)
    assert not re.search(r'class="[pn][1-5]"', made)


def test_the_brief_is_short() -> None:
    """At most 15 lines of plain text, with the sentence, the best trial and the span."""
    found = inputs(["a", "b", "c", "d"], failed=(2,))
    lines = brief(found).splitlines()
    assert len(lines) <= 15
    assert all(len(line) <= 120 for line in lines)
    best = found["sweep"]["best"]
    assert any(line.startswith(f"Best: trial {best['trial']}, universe.label=") for line in lines)
    assert "Trials: 3 of 4, 1 failed" in lines


def test_equal_inputs_give_equal_bytes() -> None:
    """And the stage's own summary says whether the best one is more than luck."""
    stage = SweepReportStage()
    config: Any = stage.configured({"report": {}, "sweep": {"profile": "demo", "over": {"policy.top_n": [1, 2]}}})
    one, two = (stage.run(inputs(["a", "b", "c"]), config) for _ in range(2))
    assert one == two
    found = inputs(["a", "b", "c"])
    assert stage.summary(found, one).note == "the best may be luck"
    found["sweep"]["luck"]["deflated_sharpe"] = found["sweep"]["best"]["beyond_deflated"] = 0.99
    assert stage.summary(found, one).note == "the best is more than luck"
    found["sweep"]["best"]["beyond_deflated"] = None
    assert stage.summary(found, one).note == "the best may be luck"
