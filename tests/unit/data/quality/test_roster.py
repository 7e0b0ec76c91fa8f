"""The file of members: read strictly, known only as far as the day, and the table that is made of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.data.quality.roster import known_by, members, read_members, roster
from quantflow.errors import DataError

FILE = "symbol,from,to\nKO,2010-01-04,2015-06-30\nAA,2012-01-03,\nKO,2018-01-02,\n"


def written(folder: Path, text: str) -> str:
    """A CSV file of members."""
    (folder / "members.csv").write_text(text)
    return str(folder / "members.csv")


def rows(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    """The spans as text."""
    return [(s, str(a)[:10], str(b)[:10]) for s, a, b in zip(table["symbol"], table["from"], table["to"], strict=True)]


EXPECTED = [("AA", "2012-01-03", "NaT"), ("KO", "2010-01-04", "2015-06-30"), ("KO", "2018-01-02", "NaT")]


def test_csv_and_parquet_give_the_same(tmp_path: Path) -> None:
    """By symbol, then time; an empty end is one that has not come; dates may be dates, times at midnight or text."""
    assert rows(read_members(written(tmp_path, FILE))) == EXPECTED
    frame = pd.read_csv(tmp_path / "members.csv", parse_dates=["from", "to"])
    for kind in ("datetime64[ms]", "datetime64[ns]"):
        frame.astype({"from": kind, "to": kind}).to_parquet(tmp_path / "members.parquet")
        assert rows(read_members(str(tmp_path / "members.parquet"))) == EXPECTED
    days = frame.assign(**{name: frame[name].dt.date for name in ("from", "to")})
    days.to_parquet(tmp_path / "members.parquet")
    assert rows(read_members(str(tmp_path / "members.parquet"))) == EXPECTED
    assert rows(read_members(written(tmp_path, FILE.replace("symbol,from,to", " Ticker ,FROM,To")))) == EXPECTED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("symbol,from,to,weight\nKO,2010-01-04,,1\n", "row 1: the column 'weight' is unknown"),
        ("symbol,from\nKO,2010-01-04\n", "row 1: no column is called 'to'"),
        ("symbol,ticker,from,to\nKO,KO,2010-01-04,\n", "row 1: the column 'ticker' is a second 'symbol'"),
        ("symbol,from,to\nKO,2010-01-04,\nAA,04/01/2010,\n", "row 3, column 'from': '04/01/2010' is not a date"),
        ("symbol,from,to\nKO,,\n", "row 2, column 'from': '' is not a date"),
        ("symbol,from,to\nKO,2010-01-04,soon\n", "row 2, column 'to': 'soon' is not a date"),
        ("symbol,from,to\nKO,2010-01-04,2010-02-30\n", "row 2, column 'to': '2010-02-30' is not a date"),
        ("symbol,from,to\n,2010-01-04,\n", "row 2, column 'symbol': it is empty"),
        ("symbol,from,to\nAA,2010-01-04,\nKO,2015-01-05,2010-01-04\n", "row 3: KO is a member from 2015-01-05 to 2010"),
        (FILE + "AA,2020-01-02,\n", "rows 3 and 5: two spans of AA overlap, at 2020-01-02"),
        (FILE.replace("2018-01-02", "2015-06-30"), "rows 2 and 4: two spans of KO overlap, at 2015-06-30"),
        ("symbol,from,to\n", "it names nobody"),
        ("", "row 1: no column is named"),
    ],
)
def test_a_wrong_file_is_refused_with_the_row(text: str, says: str, tmp_path: Path) -> None:
    """Each mistake is a DataError that names file, row and what to do."""
    with pytest.raises(DataError) as caught:
        read_members(written(tmp_path, text))
    assert says in caught.value.message
    assert "members.csv" in caught.value.message
    assert caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error says which file is not there."""
    with pytest.raises(DataError, match=r"members\.csv is not there"):
        read_members(str(tmp_path / "members.csv"))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2009, 1, 2), []),
        (date(2012, 1, 3), [("AA", "2012-01-03", "NaT"), ("KO", "2010-01-04", "NaT")]),
        (date(2015, 6, 30), [("AA", "2012-01-03", "NaT"), ("KO", "2010-01-04", "2015-06-30")]),
        (date(2020, 1, 2), EXPECTED),
    ],
)
def test_a_day_knows_nothing_of_what_comes(day: date, expected: list[Any], tmp_path: Path) -> None:
    """Spans that begin later are not there, ends that come later are open."""
    assert rows(known_by(read_members(written(tmp_path, FILE)), day)) == expected


def test_both_days_are_members(tmp_path: Path) -> None:
    """The first and the last day of a span belong to it; who is not in the table is no member."""
    spans = read_members(written(tmp_path, FILE))
    days = np.array(["2010-01-03", "2010-01-04", "2015-06-30", "2015-07-01", "2018-01-02"], dtype="datetime64[D]")
    found = members(spans, ("AA", "KO", "ZZ"), days)
    assert found.T.tolist() == [[False, False, True, True, True], [False, True, True, False, True], [False] * 5]


def test_the_roster_holds_what_is_known_of_each(tmp_path: Path) -> None:
    """A row per span of a symbol with prices; without a file one row each, without bounds."""
    facts = pd.DataFrame({"sector": ["a", "k", "z"]}, index=pd.Index(["AA", "KO", "ZZ"], name="symbol"))
    table = roster(facts, ["KO", "AA"], read_members(written(tmp_path, FILE)))
    assert rows(table) == EXPECTED
    assert table["sector"].tolist() == ["a", "k", "k"]
    always = roster(facts, ["ZZ", "AA"], None)
    assert rows(always) == [("AA", "NaT", "NaT"), ("ZZ", "NaT", "NaT")]
    assert members(always, ("AA", "ZZ"), np.array(["1990-01-01"], dtype="datetime64[D]")).all()
