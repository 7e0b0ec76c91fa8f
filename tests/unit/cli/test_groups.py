"""What ``quantflow --help`` lists."""

from __future__ import annotations

from itertools import chain

from typer.testing import CliRunner

from quantflow.cli.groups import GROUPS
from quantflow.cli.main import app


def test_every_command_is_listed_once() -> None:
    """A command that no group has could not be found."""
    listed = list(chain.from_iterable(GROUPS.values()))
    inner = [group.name for group in app.registered_groups]
    assert sorted(listed) == sorted(
        [*(command.name for command in app.registered_commands if not command.hidden), *inner]
    )


def test_help_fits_a_terminal_and_cuts_no_word() -> None:
    """Eighty columns, whole words; -h is --help."""
    found = CliRunner().invoke(app, ["-h"], terminal_width=80)
    assert found.exit_code == 0
    assert max(map(len, found.output.splitlines())) <= 80
    assert "..." not in found.output.partition("Options:")[2]
    assert [line[:-1] for line in found.output.splitlines() if line in {f"{name}:" for name in GROUPS}] == list(GROUPS)


def test_the_version_has_a_short_option() -> None:
    """-V prints it and ends well."""
    found = CliRunner().invoke(app, ["-V"])
    assert (found.exit_code, found.output.split()[0]) == (0, "quantflow")
