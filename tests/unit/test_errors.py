"""Errors of the machine and of other libraries, in one line each."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from quantflow.errors import ConfigError, last_line, refused_by_machine, said


def test_the_text_of_an_error_has_its_hint() -> None:
    """A notebook shows what to do; without a hint there is the message alone."""
    assert str(ConfigError("No.", hint="Do that.")) == "No.\nDo that."
    assert str(ConfigError("No.")) == said(ConfigError("No.", hint="x")) == "No."


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("\x1b[36mray::f()\x1b[39m (pid=1)\n  File x\nModuleNotFoundError: No module named 'quantflow'\n", "ModuleNot"),
        ("one line", "one line"),
        ("last\n\n  \n", "last"),
        ("", ""),
    ],
)
def test_the_last_line_is_the_cause(text: str, cause: str) -> None:
    """After a remote traceback, without its colours and empty lines."""
    found = last_line(text)
    assert found.startswith(cause)
    assert "\x1b" not in found


def test_an_error_without_text_has_its_name() -> None:
    """And one of any length is cut."""
    assert last_line(TimeoutError()) == "TimeoutError"
    assert len(last_line("x" * 1000)) == 300


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("can't start new thread"), "No more threads"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x"), "/data/x: No space left on device."),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "Too many open files."),
        (OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "temporarily unavailable"),
    ],
)
def test_what_the_machine_refuses_is_told_as_such(error: Exception, said: str) -> None:
    """With exit code 30 and what to do about it."""
    found = refused_by_machine(error)
    assert found is not None
    assert said in found.message
    assert found.exit_code == 30
    assert found.hint


def test_another_users_file_is_told_with_its_owner(tmp_path: Path) -> None:
    """Of a file in a folder that cannot be entered, with the owner of what can be seen."""
    path = tmp_path / "theirs"
    path.mkdir()
    os.chown(path, 65534, 65534)
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path / "deeper" / "file"))
    found = refused_by_machine(error)
    assert found is not None
    assert f"({path} belongs to nobody)" in found.message


@pytest.mark.parametrize("error", [ValueError("x"), ConnectionRefusedError(errno.ECONNREFUSED, "no"), KeyError("k")])
def test_any_other_error_is_not_the_machines(error: Exception) -> None:
    """It goes on as it is."""
    assert refused_by_machine(error) is None
