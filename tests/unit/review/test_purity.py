"""The purity check of runs, and what is seen of a process that reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quantflow.cli.review import actions
from quantflow.errors import ConfigError
from quantflow.review.purity.watching import Reading
from ran import ran


def test_a_run_is_checked_on_the_data_that_it_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The built-in stages are pure, the walk-forward among them; the report and ingestion are left out."""
    run = ran(tmp_path, until="ingestion")
    assert actions.purity(run.id, tmp_path, (), None, quiet=True, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["event"], found["impurities"], found["as_of"]) == ("purity", 0, "2022-12-28")
    assert found["stages"] == [*run.header.stages[1:-1]]
    assert found["left_out"] == ["ingestion", "report"]
    assert not [path for path in (tmp_path / ".quantflow").iterdir() if "tmp" in path.name or "reproduce" in path.name]
    with pytest.raises(ConfigError, match="is not a profile: --set and --as-of change nothing"):
        actions.purity(run.id, tmp_path, ("policy.top_n=1",), None, quiet=True, as_json=True)


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
