"""A signal that hits foreign code, which makes an error of its own of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys
from quantflow.cli.boundary import guarded
with guarded(debug=False):
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
        signal.pause()
    except BaseException as error:
        raise RuntimeError(f"error in a serializer: {error}") from error
"""


@pytest.mark.parametrize(("number", "code"), [(15, 143), (2, 130)])
def test_the_exit_code_is_the_signals(number: int, code: int) -> None:
    """143 and 130, whatever the library has made of the signal, and no word of its error."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(number)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (code, "")
