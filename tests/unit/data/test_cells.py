"""Texts in CSV files: not computed by a spreadsheet, and read back as they were."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantflow.config.printable import is_printable
from quantflow.data.cells import from_cell, table_cells, to_cell
from quantflow.runs.exports import text_of


@pytest.mark.parametrize("text", ["=1+1", "+1", "-USD", "@ES", "＝1", "＋1", "－1", "＠1", "'=1", "''@x", "-"])
def test_what_would_be_computed_is_marked(text: str) -> None:
    """By an apostrophe, which spreadsheets take for the mark of a text."""
    assert to_cell(text) == f"'{text}"
    assert from_cell(to_cell(text)) == text


@pytest.mark.parametrize("text", ["ES=F", "^GSPC", "BRK-B", "AAPL", "O'Neil", "'tis", "'", "", " =1", "1-2"])
def test_what_would_not_is_left(text: str) -> None:
    """Other texts are written as they are."""
    assert to_cell(text) == from_cell(text) == text


@pytest.mark.parametrize("text", ["\t=1", "\r=1", "\n=1", "\x1b[2J"])
def test_control_characters_are_spelled_out(text: str) -> None:
    """A tab or carriage return before a formula hides it from some checks, and not from a spreadsheet."""
    assert to_cell(text).startswith("\\u00")


@given(st.text("'=+-@＝aA1.^ ", max_size=8) | st.text(max_size=8).filter(is_printable))
def test_every_text_comes_back(text: str) -> None:
    """What a reader takes off is what the writer put there."""
    cell = to_cell(text)
    assert from_cell(cell) == text
    assert not cell.startswith(("=", "+", "-", "@"))


def test_a_table_is_written_with_its_numbers_as_they_are() -> None:
    """Index and texts are marked; negative numbers, tables without such texts and the frame itself are left alone."""
    index = pd.Index(["-USD", "ES=F"], name="symbol")
    frame = pd.DataFrame(
        {"weight": [-0.5, np.nan], "rank": [1, -2], "sector": ["=cmd", None], "ok": [True, False]}, index
    )
    text = text_of(frame)
    assert text == "symbol,weight,rank,sector,ok\n'-USD,-0.5,1,'=cmd,True\nES=F,,-2,,False\n"
    assert list(frame.index) == ["-USD", "ES=F"]
    assert frame["sector"].iloc[0] == "=cmd"
    plain = frame.rename(index={"-USD": "KO"}).assign(sector=["Energy", "Food, Drink"])
    assert text_of(plain) == plain.to_csv(lineterminator="\n")
    back = pd.read_csv(io.StringIO(text), index_col="symbol")
    assert [from_cell(symbol) for symbol in back.index] == ["-USD", "ES=F"]
    assert table_cells(plain.iloc[:0]).empty
