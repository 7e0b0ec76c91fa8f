"""``quantflow promote``: what it shows, when it asks, and what it needs where nobody can be asked."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import typer
from pytest_mock import MockerFixture
from typer.testing import CliRunner

from quantflow.cli.desk import actions
from quantflow.cli.main import app
from quantflow.desk.promotions import promotions
from quantflow.errors import ConfigError
from recorded import Name, recorded

STARTER = (files("quantflow.config") / "starter.toml").read_text(encoding="utf-8")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A starter workspace with a complete run of core whose top_n is 3."""
    (tmp_path / "quantflow.toml").write_text(STARTER)
    recorded(tmp_path, {"KO": Name([1.0, 2.0])}, {"KO": 1.0}, "policy.top_n=3", profile="core")
    return tmp_path


def call(home: Path, *arguments: str) -> str:
    """What a command prints to stdout; its error is raised."""
    found = CliRunner().invoke(app, [*arguments, "--workspace", str(home)])
    if found.exception is not None:
        raise found.exception
    return found.stdout


def test_what_changes_is_shown_and_nothing_is_written(home: Path) -> None:
    """A dry run shows settings, lines, turnover, gates and other profiles, and leaves the file alone."""
    shown = call(home, "promote", "latest", "--to", "core", "--dry-run")
    assert "policy.top_n" in shown
    assert "\n-top_n = 2 " in shown
    assert "\n+top_n = 3 " in shown
    assert "turnover 100.0% (both sides) from cash, since there is no book" in shown
    assert "publish would not hold it back" in shown
    assert "changes too, since they extend it: calm" in shown
    assert shown.endswith("nothing was written\n")
    assert (home / "quantflow.toml").read_text() == STARTER


def test_it_is_written_with_yes_and_shown_with_the_profile(home: Path) -> None:
    """With --yes nobody is asked; `profiles show` has run, user and time; a second time there is nothing to do."""
    assert "promoted: quantflow select --profile fresh" in call(home, "promote", "latest", "--to", "fresh", "--yes")
    (done,) = promotions(home)
    shown = call(home, "profiles", "show", "fresh")
    assert f"promoted from run {done.run_id} (profile core) by {done.who}, {done.at}" in shown
    assert json.loads(call(home, "profiles", "show", "fresh", "--json"))["promotions"] == [done.json()]
    assert "fresh has these settings already" in call(home, "promote", "latest", "--to", "fresh", "--yes")
    assert promotions(home) == [done]


def test_json_is_as_documented(home: Path) -> None:
    """One document with the documented keys, whether something is written or not."""
    page = (Path(__file__).parents[4] / "docs" / "inspect-json.md").read_text(encoding="utf-8")
    table = page.split("\n## Promotion\n")[1].split("\n## ")[0].splitlines()
    keys = {
        key.strip("`") for line in table if line.startswith("| `") for key in line.split("|")[1].strip().split(", ")
    }
    for option, written in (("--dry-run", False), ("--yes", True)):
        found: dict[str, Any] = json.loads(call(home, "promote", "latest", "--to", "core", option, "--json"))
        assert found.keys() - {"schema_version", "event"} == keys
        assert (found["written"], found["changes"]) == (written, {"policy.top_n": [2, 3]})


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_nobody_is_asked_where_nobody_is(home: Path, more: tuple[str, ...]) -> None:
    """Without a terminal, and with --json, it takes --yes; nothing is written, and no answer is waited for."""
    with pytest.raises(ConfigError, match="Nobody can be asked") as caught:
        call(home, "promote", "latest", "--to", "core", *more)
    assert "--yes" in str(caught.value.hint)
    assert (home / "quantflow.toml").read_text() == STARTER


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_it_asks(home: Path, answer: bool, mocker: MockerFixture) -> None:
    """What is answered is done, after what changes was shown."""
    for stream in ("stdin", "stdout"):
        mocker.patch.object(getattr(actions.sys, stream), "isatty", return_value=True)
    asked = mocker.patch.object(typer, "confirm", return_value=answer)
    actions.promote("latest", "core", home, yes=False, dry_run=False, as_json=False)
    asked.assert_called_once()
    assert ((home / "quantflow.toml").read_text() != STARTER) == answer
    assert len(promotions(home)) == answer
