"""Calendar periods, against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quantflow.quant.returns.periods import compounded, months, trailing, trailing_starts, years

DATES = pd.bdate_range("2012-03-05", "2023-03-31")
RETURNS = np.random.default_rng(10).normal(0.0004, 0.012, len(DATES))
DAYS = DATES.to_numpy().astype("datetime64[D]")


def test_months_and_years_compound_as_in_pandas() -> None:
    """Each month and year has the product of its returns, and its own number."""
    stream = pd.Series(1.0 + RETURNS, DATES)
    monthly = stream.groupby(DATES.year * 12 + DATES.month - 1).prod() - 1.0
    found = compounded(months(DAYS), RETURNS)
    assert list(found) == monthly.index.tolist()
    assert list(found.values()) == pytest.approx(monthly.tolist(), abs=1e-10)
    yearly = stream.groupby(DATES.year).prod() - 1.0
    assert compounded(years(DAYS), RETURNS) == pytest.approx(yearly.to_dict(), abs=1e-10)


def test_spans_begin_after_the_same_day_of_a_month_before() -> None:
    """The last day of a month stands for one that the month does not have; spans before the first date are left out."""
    assert {name: str(day) for name, day in trailing_starts(DAYS).items()} == {
        "MTD": "2023-02-28",
        "YTD": "2022-12-31",
        "3M": "2022-12-31",
        "6M": "2022-09-30",
        "1Y": "2022-03-31",
        "3Y": "2020-03-31",
        "5Y": "2018-03-31",
        "10Y": "2013-03-31",
    }
    assert list(trailing_starts(DAYS[-40:])) == ["MTD"]


def test_a_span_compounds_what_comes_after_its_start() -> None:
    """The start's own session is not part of it."""
    start = np.datetime64("2022-12-30")
    expected = (1.0 + pd.Series(RETURNS, DATES).loc["2022-12-31":]).prod() - 1.0
    assert trailing(DAYS, RETURNS, start) == pytest.approx(expected, abs=1e-10)
