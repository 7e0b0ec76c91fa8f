"""Dated tables: read strictly, known from the right session on, never before."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.data import TableConfig
from quantflow.data.tables import joined, known_from, latest, read_table
from quantflow.errors import DataError

AS_OF = date(2024, 1, 9)
SESSIONS = np.array(
    ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"], "datetime64[D]"
)


def written(folder: Path, text: str, **settings: Any) -> TableConfig:
    """The settings of a table in a file of this text."""
    (folder / "ratings.csv").write_text(text)
    return TableConfig(path=str(folder / "ratings.csv"), **settings)


def values(folder: Path, text: str, session: str, **settings: Any) -> list[float]:
    """What is known of A and B at the close of a session, of the first column."""
    config = written(folder, text, **settings)
    table = joined({"r": read_table("r", config, AS_OF)}, {"r": config}, SESSIONS, ("A", "B"))
    return next(iter(latest(table, ("A", "B"), np.datetime64(session)).values())).tolist()


def test_the_columns_are_named_after_the_table(tmp_path: Path) -> None:
    """By date, then symbol, whatever the order of rows and columns; any of the names of a symbol column will do."""
    config = written(tmp_path, "Score,Ticker,DATE,n\n2,B,2024-01-03,7\n1,A,2024-01-03,\n3,A,2024-01-02,5\n")
    found = read_table("ratings", config, AS_OF)
    assert list(found.columns) == ["date", "symbol", "ratings.Score", "ratings.n"]
    assert found["symbol"].tolist() == ["A", "A", "B"]
    assert found["ratings.Score"].tolist() == [3.0, 1.0, 2.0]
    one = read_table("ratings", config.model_copy(update={"columns": ("n",)}), AS_OF)
    assert list(one.columns) == ["date", "symbol", "ratings.n"]


def test_parquet_is_read_likewise(tmp_path: Path) -> None:
    """The same table as Parquet gives the same values."""
    text = "symbol,date,score\nA,2024-01-03,1.5\n"
    config = written(tmp_path, text)
    frame = pd.DataFrame({"symbol": ["A"], "date": [date(2024, 1, 3)], "score": [1.5]})
    frame.to_parquet(tmp_path / "ratings.parquet")
    other = config.model_copy(update={"path": str(tmp_path / "ratings.parquet")})
    pd.testing.assert_frame_equal(read_table("r", config, AS_OF), read_table("r", other, AS_OF))


def test_a_value_is_known_from_its_day_on_and_lasts(tmp_path: Path) -> None:
    """Not on the session before; on its own; until there is another; an empty cell says nothing new."""
    text = "symbol,date,score\nA,2024-01-03,1\nA,2024-01-05,\nA,2024-01-08,2\n"
    found = [values(tmp_path, text, str(day))[0] for day in SESSIONS]
    np.testing.assert_array_equal(found, [np.nan, 1, 1, 1, 2, 2])


def test_a_day_that_is_no_session_counts_from_the_next(tmp_path: Path) -> None:
    """A Saturday's rating is known on Monday; what is older than all sessions on the first."""
    text = "symbol,date,score\nA,2024-01-06,1\nB,2019-05-01,4\nB,2020-05-01,5\n"
    assert np.isnan(values(tmp_path, text, "2024-01-05")[0])
    assert values(tmp_path, text, "2024-01-08") == [1, 5]
    assert values(tmp_path, text, "2024-01-02")[1] == 5


@pytest.mark.parametrize(("lag", "known"), [(0, "2024-01-04"), (1, "2024-01-05"), (2, "2024-01-08")])
def test_the_lag_is_in_sessions(lag: int, known: str, tmp_path: Path) -> None:
    """A row counts so many sessions after its day, over the weekend too."""
    text = "symbol,date,score\nA,2024-01-04,1\n"
    before = str(SESSIONS[np.searchsorted(SESSIONS, np.datetime64(known)) - 1])
    assert values(tmp_path, text, known, lag=lag)[0] == 1
    assert np.isnan(values(tmp_path, text, before, lag=lag)[0])


def test_what_is_known_after_the_as_of_is_not_there(tmp_path: Path) -> None:
    """A row of tomorrow, or one that its lag takes beyond the as-of, is in no artifact; nor are other symbols."""
    config = written(tmp_path, "symbol,date,score\nA,2024-01-09,1\nA,2024-01-10,2\nC,2024-01-02,3\n")
    table = read_table("r", config, AS_OF)
    assert known_from(table, 0, SESSIONS, ("A", "B"))["r.score"].tolist() == [1]
    empty = joined({"r": known_from(table, 1, SESSIONS, ("A",))}, {"r": config}, SESSIONS, ("A",))
    assert list(empty.columns) == ["date", "symbol", "r.score"]
    assert np.isnan(latest(empty, ("A",), SESSIONS[-1])["r.score"]).all()


def test_tables_are_joined_without_mixing(tmp_path: Path) -> None:
    """Each keeps its own columns and days."""
    config = written(tmp_path, "symbol,date,score\nA,2024-01-03,1\n")
    tables = {name: read_table(name, config, AS_OF) for name in ("one", "two")}
    late = config.model_copy(update={"lag": 1})
    found = joined(tables, {"one": config, "two": late}, SESSIONS, ("A",))
    assert latest(found, ("A",), SESSIONS[1])["one.score"].tolist() == [1]
    assert np.isnan(latest(found, ("A",), SESSIONS[1])["two.score"]).all()
    assert latest(found, ("A",), SESSIONS[2])["two.score"].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "settings", "says", "hint"),
    [
        ("symbol,score\nA,1\n", {}, "row 1: no column is called 'date'", "Its columns are symbol, date"),
        ("date,score\n2024-01-02,1\n", {}, "no column is called 'symbol'", "Its columns"),
        ("symbol,ticker,date,score\nA,A,2024-01-02,1\n", {}, "two columns mean 'symbol'", "Its columns"),
        ("symbol,date\nA,2024-01-02\n", {}, "it has no column of numbers", "numbers"),
        ("symbol,date,score\nA,2024-01-02,1\n", {"columns": ("scor",)}, "is called 'scor'", "Did you mean 'score'?"),
        ("symbol,date,score\nA,2024-01-02,1\nA,2024-01-02,2\n", {}, "'A' has 2024-01-02 twice", "one row per day"),
        ("symbol,date,score\nA,2024-01-02,buy\n", {}, "row 2, column 'score'", ""),
        ("symbol,date,score\nA,02/01/2024,1\n", {}, "row 2, column 'date'", "ISO"),
    ],
)
def test_a_wrong_file_is_refused_in_words(
    text: str, settings: dict[str, Any], says: str, hint: str, tmp_path: Path
) -> None:
    """Each mistake is a DataError with table, file and place."""
    with pytest.raises(DataError) as caught:
        read_table("ratings", written(tmp_path, text, **settings), AS_OF)
    assert says in caught.value.message
    assert "ratings.csv" in caught.value.message
    assert hint in str(caught.value.hint)
