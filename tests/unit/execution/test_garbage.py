"""What is set for a whole process is set by the commands, and by nothing that a notebook imports."""

from __future__ import annotations

import subprocess
import sys

from quantflow.execution.garbage import THRESHOLDS


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_a_command_looks_for_garbage_seldom_and_at_its_end_not_at_all() -> None:
    """So that imports are quick, and the process ends at once."""
    code = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_threshold(), gc.get_freeze_count() > 0))
sys.argv = ["quantflow", "--version"]
from quantflow.cli.main import main
main()
"""
    assert printed(code) == f"{THRESHOLDS} True"


def test_a_notebook_keeps_its_own_settings() -> None:
    """To import quantflow changes nothing of the process."""
    code = "import gc; before = gc.get_threshold(); import quantflow, quantflow.flows.meta; "
    assert printed(code + "print(gc.get_threshold() == before, gc.get_freeze_count())") == "True 0"
