"""The page on artifacts is true: tables of real runs, held to their contracts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from quantflow.data.panel import Panel
from quantflow.pipeline.contracts import (
    ARROW,
    NEVER,
    TABLES_OF_META,
    TABLES_OF_SELECTION,
    Column,
    Table,
)
from quantflow.runs.run import Run
from ran import ran_meta

SETTINGS = """
[profiles.a]
extends = "demo"
[profiles.a.universe]
symbols = ["AAPL", "JPM", "KO", "MSFT", "XOM"]
[profiles.a.data]
start = "2018-09-04"
[profiles.a.signals]
horizons = [21]
[profiles.a.tables.ratings]
path = "ratings.csv"
[profiles.b]
extends = "a"
[profiles.b.synthesis]
logic = "long"
[meta.both]
sleeves = [{ profile = "a" }, { profile = "b" }]
"""


@pytest.fixture(scope="module")
def portfolio(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A portfolio of two profiles with tables and signals, complete."""
    home = tmp_path_factory.mktemp("contracts")
    (home / "quantflow.toml").write_text(SETTINGS)
    (home / "ratings.csv").write_text("symbol,date,score\nKO,2021-01-29,4.5\nKO,2021-06-30,3.5\n")
    return ran_meta(home, "both")


def expected(table: Table, schema: Mapping[str, str]) -> dict[str, Column]:
    """The contract of each column of a file."""
    fixed = {**table.index, **table.columns}
    return {name: found for name in schema if (found := fixed.get(name) or table.more) is not None}


def frame_of(value: Any) -> Any:
    """A table with its index as columns; of a panel its fields."""
    if isinstance(value, Panel):
        return None
    named = [name for name in value.index.names if name is not None]
    return value.reset_index() if named else value


def check(run: Run, tables: Mapping[str, Table]) -> set[str]:
    """Hold every table of a run to its contract; return which there were."""
    found = {name: ref for name, ref in run.outputs.items() if ref.rows is not None}
    assert set(found) <= set(tables), "a built-in table without a contract"
    for name, ref in found.items():
        table, columns = tables[name], expected(tables[name], ref.schema)
        assert set(columns) == set(ref.schema), f"{name} has columns that its contract does not have"
        assert set(table.index) | set(table.columns) <= set(ref.schema), name
        frame = frame_of(run.load(name))
        for column, contract in columns.items():
            assert ref.schema[column] in ARROW[contract.holds] or not ref.rows, (name, column, ref.schema[column])
            if contract.missing == NEVER and frame is not None:
                assert frame[column].notna().all(), (name, column)
    return set(found)


def test_tables_of_a_portfolio_are_what_the_page_says(portfolio: Run) -> None:
    """Columns, types and missing values, of the portfolio and of its sleeves; no table is left out."""
    assert check(portfolio, TABLES_OF_META) == set(TABLES_OF_META)
    sleeve = portfolio.sleeves[0].run
    assert check(sleeve, TABLES_OF_SELECTION) == set(TABLES_OF_SELECTION) - {"benchmark", "incumbent"}


def test_a_table_names_the_stage_that_makes_it(portfolio: Run) -> None:
    """The stage on the page is the one whose record has the table."""
    for run, tables in ((portfolio, TABLES_OF_META), (portfolio.sleeves[0].run, TABLES_OF_SELECTION)):
        makers = {name: stage for stage, record in run.stages.items() if record for name in record.outputs}
        assert {name: makers[name] for name in tables if name in makers} == {
            name: table.stage for name, table in tables.items() if name in makers
        }
