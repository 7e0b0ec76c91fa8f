"""Writes ``artifacts.md`` from the contracts of the built-in tables; ``generate.py`` calls it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from quantflow.pipeline.contracts import TABLES_OF_META, TABLES_OF_SELECTION, Column, Table

PAGE = Path(__file__).with_name("artifacts.md")

HEAD = """# Artifacts

What the built-in stages make, for those who read it in a [stage of their own](plugins.md), from a run
(`run.load("weights")` in [Python](api.md)), or as Parquet from `.quantflow/artifacts`. A test holds every
table of a run to this page.

- Tables are pandas DataFrames, stored as Parquet; `prices`, `past` and `benchmark` arrive in a stage as a `Panel`
  (symbols by sessions), and in a [wrapped class](plugins.md#a-class-of-another-framework) as closes,
  sessions by symbols.
- Columns named under *index* are the frame's index; in the file they are columns too.
- A *date* is a day without time or zone; as the session of a row it is never later than the run's as-of.
- A number is a float64. NaN means what the last column says; where that is *never missing*, a NaN is a fault of
  quantflow. Infinities do not occur.
- Columns are found by name: later versions may add some, as [records of older versions](runs.md#versions) explains.
- A stage of your own that replaces a built-in one decides itself what its tables hold; the stages after it need the
  columns below.

Records (JSON) are `checks`, `allocation`, `metrics`, `signals`, `sleeves`, `meta_allocation`; texts are `report` and
`brief`."""


def page() -> str:
    """Return the whole page, Markdown."""
    parts = [HEAD, "## Of a profile's run", *_tables(TABLES_OF_SELECTION)]
    parts += ["## Of a portfolio of profiles", *_tables(TABLES_OF_META)]
    return "\n\n".join(parts) + "\n"


def _tables(tables: Mapping[str, Table]) -> list[str]:
    return [_table(name, table) for name, table in tables.items()]


def _table(name: str, table: Table) -> str:
    rows = [_row(f"`{column}` (index)", found) for column, found in table.index.items()]
    rows += [_row(f"`{column}`", found) for column, found in table.columns.items()]
    rows += [_row("further columns", table.more)] if table.more else []
    head = "| column | holds | meaning | missing means |\n|---|---|---|---|"
    return f"### `{name}` of `{table.stage}`\n\nA row is {table.row}.\n\n" + "\n".join([head, *rows])


def _row(name: str, column: Column) -> str:
    return f"| {name} | {column.holds} | {column.meaning} | {column.missing} |"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
