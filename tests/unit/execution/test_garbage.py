"""What is set for a whole process is set by the commands, and by nothing that a notebook imports."""

from __future__ import annotations

import subprocess
import sys

from quantflow.execution.garbage import THRESHOLDS


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_a_command_looks_for_garbage_seldom() -> None:
    """So that imports are quick."""
    code = """
import gc, sys
sys.argv = ["quantflow", "--version"]
from quantflow.cli.main import main
try:
    main()
finally:
    print(gc.get_threshold())
"""
    assert printed(code) == str(THRESHOLDS)


def test_a_notebook_keeps_its_own_settings() -> None:
    """To import quantflow changes nothing of the process."""
    code = "import gc; before = gc.get_threshold(); import quantflow, quantflow.flows.meta; "
    assert printed(code + "print(gc.get_threshold() == before)") == "True"
