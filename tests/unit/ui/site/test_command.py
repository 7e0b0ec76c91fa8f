"""``quantflow ui``: where the page is, and what is opened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from quantflow.cli.main import app
from recorded import created


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a browser was asked to open; there is a display, and standard output is a terminal."""
    found: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("quantflow.cli.review.site.is_terminal", lambda: True)
    monkeypatch.setattr("typer.launch", lambda address: found.append(address))
    return found


def run(home: Path, *more: str) -> str:
    """Run the command; return what it printed."""
    found = CliRunner().invoke(app, ["ui", "--workspace", str(home), *more])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_it_prints_the_page_and_opens_it(tmp_path: Path, opened: list[str]) -> None:
    """In the workspace's folder ``site``."""
    created(tmp_path, "one")
    page = tmp_path / "site" / "index.html"
    assert run(tmp_path) == f"{page}\n"
    assert page.is_file()
    assert opened == [page.as_uri()]


def test_it_opens_nothing_where_that_is_not_wanted(tmp_path: Path, opened: list[str]) -> None:
    """With ``--no-open``, and for a machine that reads JSON."""
    created(tmp_path, "one")
    run(tmp_path, "--no-open")
    found = json.loads(run(tmp_path, "--json"))
    assert (found["event"], found["runs"], found["written"]) == ("ui", 1, 0)
    assert opened == []


def test_it_opens_nothing_off_a_terminal(tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on a machine without a display."""
    monkeypatch.setattr("quantflow.cli.review.site.is_terminal", lambda: False)
    run(tmp_path)
    monkeypatch.setattr("quantflow.cli.review.site.is_terminal", lambda: True)
    monkeypatch.delenv("DISPLAY")
    run(tmp_path)
    assert opened == []


def test_it_writes_where_it_is_asked_to(tmp_path: Path) -> None:
    """``--output`` names a folder; the reports are found from there."""
    created(tmp_path, "one")
    out = tmp_path / "else" / "where"
    assert run(tmp_path, "--output", str(out), "--no-open") == f"{out / 'index.html'}\n"
    assert '"runs_folder":"../../runs"' in (out / "data" / "index.js").read_text()
