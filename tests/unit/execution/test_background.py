"""Context managers that are entered and left while other things go on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quantflow.execution.background import Imports, InBackground


class Told:
    """What happened, and a gate that holds up the start."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.gate = threading.Event()

    @contextmanager
    def manager(self, fail: str = "") -> Iterator[int]:
        assert self.gate.wait(10)
        if fail == "enter":
            raise OSError("no room")
        self.events.append("entered")
        yield 7
        if fail == "leave":
            raise OSError("stuck")
        self.events.append("left")


def test_the_block_goes_on_while_it_is_entered() -> None:
    """The block begins at once; the result is there when it is up; the end of the block leaves it."""
    told = Told()
    with InBackground(told.manager()) as starting:
        told.events.append("block")
        told.gate.set()
        assert starting.result() == 7
    assert told.events == ["block", "entered", "left"]


def test_it_can_be_left_early_and_once() -> None:
    """What is let go within the block is gone by its end, and is not left twice."""
    told = Told()
    told.gate.set()
    with InBackground(told.manager()) as starting:
        starting.result()
        starting.leave()
        starting.leave()
    assert told.events == ["entered", "left"]


def test_a_block_that_fails_early_leaves_what_was_started() -> None:
    """An error before anybody asked for the result still waits for the start, and ends it."""
    told = Told()
    with pytest.raises(KeyError), InBackground(told.manager()):  # noqa: PT012
        told.gate.set()
        raise KeyError
    assert told.events == ["entered", "left"]


@pytest.mark.parametrize(("where", "message"), [("enter", "no room"), ("leave", "stuck")])
def test_errors_come_out(where: str, message: str) -> None:
    """What cannot be entered is told by the result, what cannot be left by the end of the block."""
    told = Told()
    told.gate.set()
    with pytest.raises(OSError, match=message), InBackground(told.manager(where)) as starting:
        starting.result()


def test_a_signal_does_not_wait_for_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that ends with an error goes on after a while, though what it started never comes up."""
    monkeypatch.setattr("quantflow.execution.background.PATIENCE_SECONDS", 0.1)
    told = Told()
    with pytest.raises(KeyError), InBackground(told.manager()):
        raise KeyError
    assert told.events == []
    told.gate.set()


def test_what_hangs_when_it_is_left_does_not_hold_up_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ray whose head is gone may never be left: the block has done its work, and goes on after a while."""
    monkeypatch.setattr("quantflow.execution.background.LEAVE_SECONDS", 0.1)
    hangs = threading.Event()

    @contextmanager
    def manager() -> Iterator[None]:
        yield
        hangs.wait()

    with InBackground(manager()) as starting:
        starting.result()
    hangs.set()


def test_modules_are_imported_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, one that fails left out; after ``finish`` no more are begun, and the one that was is there whole."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "ahead_bad.py").write_text("raise OSError('no')")
    (tmp_path / "ahead_slow.py").write_text("import time\ntime.sleep(0.5)\nwhole = True")
    (tmp_path / "ahead_more.py").write_text("")
    ahead = Imports(["ahead_bad", "ahead_slow", "ahead_more"])
    ahead.start()
    until = time.monotonic() + 10
    while "ahead_slow" not in sys.modules and time.monotonic() < until:
        time.sleep(0.01)
    ahead.finish()
    assert sys.modules["ahead_slow"].whole
    assert "ahead_more" not in sys.modules
    assert "ahead_bad" not in sys.modules


def test_imports_that_were_never_begun_are_over() -> None:
    """So that nothing waits for them."""
    Imports(["ahead_never"]).finish()
