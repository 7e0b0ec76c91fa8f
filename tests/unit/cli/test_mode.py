"""What is shown of a run, by options and place."""

from __future__ import annotations

import sys
from io import StringIO

import pytest

from quantflow.cli.mode import mode
from quantflow.errors import ConfigError
from quantflow.ui.log import JsonLog


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.mark.parametrize(
    ("flags", "shown"),
    [((True, False), "none"), ((False, True), "json"), ((True, True), "json"), ((False, False), "lines")],
)
def test_the_mode_follows_flags(flags: tuple[bool, bool], shown: str) -> None:
    """A test's stderr is not a terminal, so without flags there are plain lines."""
    assert mode(*flags) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [("TERM", "xterm", "live"), ("TERM", "dumb", "lines"), ("TTY_INTERACTIVE", "0", "lines")],
)
def test_the_mode_follows_the_terminal(name: str, value: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can draw gets the live view; one that cannot, or that is told not to, gets lines."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("TTY_INTERACTIVE", raising=False)
    monkeypatch.setenv(name, value)
    assert mode(False, False) == shown


def test_a_json_log_gets_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """``QUANTFLOW_LOG=json`` makes standard error JSON lines, progress too."""
    monkeypatch.setattr(sys, "stderr", JsonLog(StringIO()))
    assert mode(False, False) == "log"


@pytest.mark.parametrize(
    ("flags", "shown"),
    [({"quiet": True}, "quiet"), ({"verbose": True}, "verbose"), ({}, "lines")],
)
def test_how_much_is_shown_can_be_chosen(flags: dict[str, bool], shown: str) -> None:
    """-q is silence, -v the log as well."""
    assert mode(no_progress=False, as_json=False, **flags) == shown


@pytest.mark.parametrize(("as_json", "verbose"), [(True, False), (False, True)])
def test_silence_excludes_output(as_json: bool, verbose: bool) -> None:
    """Who asks for both is asked back."""
    with pytest.raises(ConfigError, match="exclude each other"):
        mode(no_progress=False, as_json=as_json, quiet=True, verbose=verbose)
