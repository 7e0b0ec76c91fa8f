"""The section on signals, and their line in the brief."""

from __future__ import annotations

from typing import Any

import pytest

from quantflow.stages.report.signals import examined, line
from quantflow.stages.report.stage import ReportStage


def mean(value: float | None, t: float | None) -> dict[str, Any]:
    """Return a mean with its error."""
    return {"mean": value, "error": 0.01, "t": t, "dates": 90, "independent": 45.0}


def figures(name: str, side: str | None, buckets: int) -> dict[str, Any]:
    """Return the figures of one signal at two horizons."""
    earned = [0.001 * each for each in range(buckets)]
    ats = [
        {"horizon": 1, "ic": mean(0.0123, 1.2), "later": {"after": 0, **mean(0.0123, 1.2)}, "buckets": earned},
        {"horizon": 21, "ic": mean(-0.0456, -3.4), "later": {"after": 1, **mean(None, None)}, "buckets": earned},
    ]
    spread = {"gross": 0.08, "net": 0.05, "sharpe": 0.4, "turnover_annual": 6.5}
    return {
        "name": name,
        "side": side,
        "horizons": ats,
        "spread": spread if buckets else None,
        "rank_autocorrelation": 0.9,
    }


def record(buckets: int = 5) -> dict[str, Any]:
    """Return the artifact of a score of one feature."""
    return {
        "horizons": [1, 21],
        "lag": 1,
        "rebalances": 95,
        "first": "2015-01-30",
        "last": "2022-11-30",
        "names": 20,
        "buckets": buckets,
        "signals": [figures("score", None, buckets), figures("cvar", "low", buckets)],
        "correlations": {"score": {"score": 1.0, "cvar": None}, "cvar": {"score": None, "cvar": 1.0}},
    }


def test_nothing_is_shown_where_it_is_not_asked_for() -> None:
    """Without the artifact there is no section and no line."""
    assert examined({}) == []
    assert line({}) == []
    assert "signals" not in ReportStage().needs


def test_each_figure_has_its_t_and_what_is_sure_is_shaded() -> None:
    """Coefficients have their t beside them, in plain words of what it is; only a t of 2 or more has a colour."""
    (page,) = examined({"signals": record()})
    assert page.count("0.012 (t 1.2)") == 4
    assert '<td class="n3">−0.046 (t −3.4)</td>' in page
    assert '<td class="p1">' not in page
    assert "of 4 figures about 1 will reach 2 in size by chance" in page
    assert "2 to 21" in page


def test_the_spread_says_what_costs_leave() -> None:
    """Top less bottom is given a year, before and after costs, with what it trades."""
    (page,) = examined({"signals": record()})
    for figure in ("+8.0%", "+5.0%", "650%", "0.90", "+0.40%"):
        assert figure in page


@pytest.mark.parametrize("buckets", [0, 5])
def test_few_names_have_no_buckets(buckets: int) -> None:
    """Where names are too few for buckets the page says so, and nothing of the rest is missing."""
    (page,) = examined({"signals": record(buckets)})
    assert ("too few to be divided" in page) == (buckets == 0)
    assert "Rank correlation among signals" in page


def test_the_brief_has_the_score_alone() -> None:
    """The score's coefficients are on one line."""
    assert line({"signals": record()}) == ["Score IC (t) after 1, 21 sessions: 0.012 (1.2), −0.046 (−3.4)"]
