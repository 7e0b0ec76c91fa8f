"""Publishers beside each other, and killed ones, under the eyes of a reader that reads a thousand times a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from processes import bare_environment

RACES, KILLS = (500, 200) if "FULL_FAULTS" in os.environ else (40, 30)
"""The few are enough to find what was wrong before; ``nox -s faults`` has the many."""

PROGRAM = Path(__file__).parents[1] / "publishers.py"


def program(what: str, home: Path, count: int = 0) -> subprocess.Popen[str]:
    """Start a part of ``publishers.py``."""
    command = [sys.executable, str(PROGRAM), what, str(home), str(count)]
    environment = bare_environment() | {"PYTHONPATH": str(PROGRAM.parent)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def printed(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=1200)
    assert process.returncode == 0, err
    return json.loads(out)


@contextmanager
def watched(home: Path) -> Iterator[None]:
    """Read the book all the time; in the end, it must have been whole each time."""
    reader = program("read", home)
    try:
        yield
    finally:
        (home / "stop").touch()
        seen = printed(reader)
    assert seen["reads"] > 100
    assert (seen["missing"], seen["mixed"]) == (0, 0)


@pytest.mark.parametrize(("what", "count"), [("races", RACES), ("kills", KILLS), ("steps", 0)])
def test_the_book_is_whole_whatever_happens_to_its_publishers(what: str, count: int, tmp_path: Path) -> None:
    """Four publishers at once, a kill at a random moment, a kill at each file operation: a reader always sees one whole
    book, no publisher fails, the newest session wins, and the next publisher leaves nothing of the killed ones.
    """
    with watched(tmp_path):
        assert printed(program(what, tmp_path, count)) == []
