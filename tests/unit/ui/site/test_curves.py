"""Curves in as many points as a screen can show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quantflow.ui.site.curves import FEW, growth, small


def stream(sessions: int) -> pd.DataFrame:
    """A walk-forward of some sessions."""
    index = pd.bdate_range("2000-01-03", periods=sessions, name="date")
    return pd.DataFrame({"net": np.full(sessions, 0.001), "benchmark": np.zeros(sessions)}, index=index)


@pytest.mark.parametrize(("sessions", "every"), [(0, 1), (1, 1), (100, 1), (101, 2), (1000, 10)])
def test_a_long_curve_has_every_nth_session_and_the_last(sessions: int, every: int) -> None:
    """And says which; each point is the growth up to it."""
    given = stream(sessions)
    found = growth(given, most=100)
    assert found["every"] == every
    dates = found["dates"]
    assert isinstance(dates, list)
    assert len(dates) <= 100
    if sessions:
        assert dates[-1] == str(given.index[-1])[:10]
        series = found["series"]
        assert isinstance(series, dict)
        assert list(series) == ["strategy", "benchmark"]
        assert series["strategy"][-1] == pytest.approx(1.001**sessions, rel=1e-5)


def test_a_curve_in_a_line_of_text_has_few_points() -> None:
    """It ends where the curve ends; a run without one has none."""
    found = growth(stream(1000))
    values = small(found)
    series = found["series"]
    assert isinstance(series, dict)
    assert len(values) <= FEW
    assert values[-1] == series["strategy"][-1]
    assert small(None) == []
