"""What ``select``, ``meta`` and ``resume`` decide before a run goes on."""

from __future__ import annotations

import sys
from io import StringIO

import pytest

from quantflow.cli.run.start import mode
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
    """A test's stderr is no terminal, so without flags there are plain lines."""
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
