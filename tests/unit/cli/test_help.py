"""``quantflow help``."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from quantflow.cli.main import app
from quantflow.errors import ConfigError


def shown(*arguments: str) -> str:
    """What help prints."""
    found = CliRunner().invoke(app, ["help", *arguments], catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


def test_topics_and_commands_are_explained() -> None:
    """Alone it lists the topics; a command's name gives that command's own help."""
    assert "exit-codes, states, variables" in shown()
    assert "interrupted  ended by a signal" in shown("states")
    assert "PREFECT_API_URL" in shown("variables")
    assert "Usage: " in shown("select")
    assert "--profile" in shown("select")


def test_what_there_is_not_is_named() -> None:
    """A typo gets the nearest word."""
    with pytest.raises(ConfigError, match="No command or topic named 'selct'"):
        CliRunner().invoke(app, ["help", "selct"], catch_exceptions=False)
