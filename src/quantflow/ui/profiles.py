"""Tables of profiles, for people; to stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from quantflow.config.catalogue import Entry
from quantflow.config.problems import show as as_toml
from quantflow.config.source import Source
from quantflow.ui.tables import out, show


def plain_table(*columns: str) -> Table:
    """Return an empty table without lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column)
    return table


def print_entries(found: Sequence[Entry]) -> None:
    """Print the profiles and meta profiles there are."""
    table = plain_table("NAME", "KIND", "FROM", "EXTENDS OR SLEEVES", "STAGES OF ITS OWN")
    for entry in found:
        made_of = entry.extends or ", ".join(entry.sleeves)
        table.add_row(entry.name, entry.kind, entry.source, escape(made_of), escape(", ".join(entry.stages)))
    show(out(), table)


def print_values(values: Sequence[tuple[str, Any, Source]], *, sources: bool) -> None:
    """Print every setting, and where it came from if asked for."""
    table = plain_table("SETTING", "VALUE", *(["FROM"] if sources else []))
    for key, value, source in values:
        text = "not set" if value is None else as_toml(value)
        table.add_row(key, escape(text), *([escape(str(source))] if sources else []))
    show(out(), table)


def print_checked(checked: Sequence[Entry], warnings: Mapping[str, Sequence[str]]) -> None:
    """Print that all can be used, and what is odd with each."""
    for name, line in ((name, line) for name, lines in warnings.items() for line in lines):
        out().print(f"{name}: {escape(line)}", style="yellow", soft_wrap=True)
    out().print(f"{len(checked)} checked, all can be used: {', '.join(entry.name for entry in checked)}")
