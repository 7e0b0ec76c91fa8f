"""How the process ends."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

AT_THE_END = """
import atexit, sys
from quantflow.cli.ending import ending_at_once
class Late:
    def __del__(self):
        sys.stderr.write("finalized\\n")
late = Late()
late.itself = late
with ending_at_once():
    atexit.register(lambda: print("handled"))
    print("done", end=" ")
    {block}
"""


@pytest.mark.parametrize(
    ("block", "code"),
    [("pass", 0), ("raise SystemExit(0)", 0), ("raise SystemExit(23)", 23), ("raise SystemExit", 0)],
)
def test_nothing_of_the_interpreter_is_taken_apart(block: str, code: int) -> None:
    """What was printed is out, exit handlers were called, the code is the block's; no object is finalized."""
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END.format(block=block)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "done handled\n", "")


def test_output_that_cannot_be_written_is_an_error_in_words() -> None:
    """A full disk under standard output: exit 30, what happened and what to do, and no traceback."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "quantflow", "help", "exit-codes"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 30
    assert done.stderr.splitlines() == ["error: No space left on device.", "hint: Free space, then continue."]


def test_a_reader_that_has_gone_is_no_error() -> None:
    """Standard output is closed at its other end before the process ends."""
    code = "from quantflow.cli.ending import ending_at_once\nwith ending_at_once(): print('x' * 10)"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, env=buffered, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_the_last_line_is_the_commands_own() -> None:
    """A library that resets a terminal's colours when the process ends leaves no control sequence behind the output."""
    code = """
import colorama
from quantflow.cli.ending import ending_at_once
from quantflow.ui.streams import clean_streams
with ending_at_once():
    clean_streams()
    colorama.init()
    print("done")
"""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert process.wait(60) == 0
    assert os.read(ours, 1 << 16) == b"done\r\n"
    os.close(ours)
