"""What is drawn: escape sequences of our own alone."""

from __future__ import annotations

import re
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

import quantflow
from quantflow.config.printable import CleanStream
from quantflow.ui.screen import Screen
from quantflow.ui.streams import clean_streams

HOSTILE = "A\x1b[2J\x1b]0;owned\x07\x9b5m\u202eB\r"
SHOWN = "A\\u001b[2J\\u001b]0;owned\\u0007\\u009b5m\\u202eB\\u000d"
SOURCES = sorted(Path(quantflow.__file__).parent.rglob("*.py"))


def table(cell: str | Text) -> Table:
    """A table with a cell of somebody else's."""
    found = Table("NAME", "X", box=None, title=HOSTILE)
    found.add_row(cell, "[red]one[/]")
    found.add_row("plain", "two")
    return found


@pytest.mark.parametrize("cell", [escape(HOSTILE), Text(HOSTILE)], ids=["markup", "text"])
def test_a_table_shows_it_and_keeps_its_colours(cell: str | Text) -> None:
    """In cells, titles and lines; the columns still stand below each other; red is red."""
    out = StringIO()
    screen = Screen(file=out, width=200, force_terminal=True, color_system="standard", highlight=False)
    screen.print(table(cell))
    screen.print(HOSTILE)
    text = out.getvalue()
    assert text.count(SHOWN) == (3 if isinstance(cell, str) else 1)  # a Text is measured before it is cleaned
    assert text.count("A\\u001b[2J") == 3
    assert "\x1b[31mone\x1b[0m" in text
    assert set(re.findall(r"\x1b\[?[^A-Za-z]*.", text)) <= {"\x1b[31m", "\x1b[0m", "\x1b[1m", "\x1b[3m"}
    if isinstance(cell, str):
        lines = re.sub(r"\x1b\[\d*m", "", text).splitlines()
        rows = [line for line in lines if line.rstrip().endswith(("one", "two"))]
        assert len({max(row.find("one"), row.find("two")) for row in rows}) == 1


def test_the_live_view_moves_the_cursor_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while standard error is redirected above it."""
    terminal = StringIO()
    monkeypatch.setattr(sys, "stderr", CleanStream(terminal))
    screen = Screen(stderr=True, width=80, force_terminal=True, color_system=None)
    with Live(table(HOSTILE), console=screen, auto_refresh=False) as live:
        sys.stderr.write(f"{HOSTILE}\n")
        live.refresh()
    text = terminal.getvalue()
    assert "\x1b[2K" in text  # our own
    assert not {"\x1b[2J", "\x1b]0;", "\x9b", "\u202e", "\x07"} & set(
        re.findall(r"\x1b\[2J|\x1b\]0;|[\x9b\u202e\x07]", text)
    )


def test_streams_are_cleaned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that starts another one in its process cleans no twice."""
    monkeypatch.setattr(sys, "stdout", below := StringIO())
    monkeypatch.setattr(sys, "stderr", StringIO())
    clean_streams()
    clean_streams()
    assert isinstance(sys.stdout, CleanStream)
    assert sys.stdout.out is below


def test_everything_is_drawn_on_a_screen() -> None:
    """No other console is made anywhere, which would draw past the cleaned streams' cleaning or be cleaned itself."""
    made = {path.name for path in SOURCES if re.search(r"(?<![\w.])Console\(", path.read_text(encoding="utf-8"))}
    assert made == set()
