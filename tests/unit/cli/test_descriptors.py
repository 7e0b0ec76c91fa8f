"""A process whose standard descriptors are closed."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

LOOK = """
import json, os, subprocess, sys
from quantflow.cli.descriptors import open_missing_streams
open_missing_streams()
here = [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]
print("into the void", file=sys.stdout, flush=True); print("and this", file=sys.stderr, flush=True)
child = subprocess.run([sys.executable, "-c", "import sys; sys.exit(None in (sys.stdin, sys.stdout, sys.stderr))"])
with open("found.json", "w") as file:
    json.dump({"here": here, "next": os.open(".", os.O_RDONLY), "child": child.returncode}, file)
"""


@pytest.mark.parametrize("closed", [each for many in range(4) for each in combinations(range(3), many)])
def test_closed_descriptors_are_the_null_device(closed: tuple[int, ...], tmp_path: Path) -> None:
    """Whichever are closed: they are open before anything else is opened, writing works, and children inherit them."""
    words = " ".join({0: "<&-", 1: ">&-", 2: "2>&-"}[number] for number in closed)
    line = f'exec "$0" -c "$1" {words}'
    ended = subprocess.run(["bash", "-c", line, sys.executable, LOOK], cwd=tmp_path, stdin=subprocess.PIPE, check=False)
    assert ended.returncode == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert [found["here"][number] == "/dev/null" for number in range(3)] == [number in closed for number in range(3)]
    assert found["next"] > 2
    assert found["child"] == 0
