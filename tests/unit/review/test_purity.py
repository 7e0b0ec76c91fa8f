"""The purity check of runs, and what is seen of a process that reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quantflow.review.purity.watching import Reading

READS = """
import json, os, sys
from pathlib import Path
from quantflow.review.purity.watching import Watch

watch = Watch()
os.environ.get("BEFORE")
with watch.on() as found:
    os.getenv("ONE")
    "TWO" in os.environ
    os.path.expanduser("~/x")
    os.environ.setdefault("THREE", "3")
    Path(sys.argv[1]).read_text()
    Path(sys.argv[1]).open("a").close()
    Path(sys.argv[2]).write_text("")
    os.close(os.open(sys.argv[3], os.O_RDONLY))
    import sqlite3
    sqlite3.connect(sys.argv[4])
    sqlite3.connect(":memory:")
os.environ.get("AFTER")
print(json.dumps([one.what for one in found]))
"""


def test_what_python_reads_is_seen(tmp_path: Path) -> None:
    """Variables asked for in any way, files opened to be read, and databases; not what is written, or read outside."""
    names = [str(tmp_path / name) for name in ("read", "written", "low", "db")]
    for name in (names[0], names[2]):
        Path(name).write_text("")
    done = subprocess.run([sys.executable, "-c", READS, *names], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert set(found) == {"$ONE", "$TWO", "$HOME", "$THREE", names[0], names[2], names[3]}


@pytest.mark.parametrize(
    ("what", "allowed"),
    [("$A", False), ("$B", True), ("/x/y/z", True), ("/x/yz", False), ("the address ('::1', 80)", False)],
)
def test_what_may_be_read_is_what_is_declared(what: str, allowed: bool) -> None:
    """A declared variable, a declared file or what lies in a declared folder; a library's variables do not matter."""
    assert Reading(what, frozenset({"theirs", "pandas"})).is_allowed({"theirs"}, {"B"}, ["/x/y"]) is allowed
    assert Reading("$A", frozenset({"pandas"})).is_allowed({"theirs"}, {"B"}, [])
