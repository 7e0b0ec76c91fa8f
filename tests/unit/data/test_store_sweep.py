"""Unfinished files of dead processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from quantflow.data.store import sweep, temporary_folder, write_atomic

DIE = (
    "import os, sys; from pathlib import Path; from quantflow.data import store\n"
    "store._publish = lambda temporary, path: os.kill(os.getpid(), 9)\n"
    "store.write_atomic(Path(sys.argv[1]), b'x')"
)


def test_a_dead_writers_file_is_removed_and_a_living_ones_kept(tmp_path: Path) -> None:
    """Only what a dead process of this machine left is swept; the target never saw it."""
    subprocess.run([sys.executable, "-c", DIE, str(tmp_path / "target")], check=False)
    mine = tmp_path / f".tmp-{socket.gethostname()}-{os.getpid()}-abc"
    other = tmp_path / ".tmp-elsewhere-1-abc"
    for path in (mine, other):
        path.write_text("")
    assert len(list(tmp_path.iterdir())) == 3
    sweep([tmp_path, tmp_path / "missing"])
    assert set(tmp_path.iterdir()) == {mine, other}


def test_a_dead_ones_folder_is_removed(tmp_path: Path) -> None:
    """With all in it; the folder of a living process stays."""
    make = "import sys; from pathlib import Path; from quantflow.data.store import temporary_folder as make\n"
    code = f"{make}(make(Path(sys.argv[1])) / 'x').touch()"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert len(list(tmp_path.iterdir())) == 1
    mine = temporary_folder(tmp_path)
    sweep([tmp_path])
    assert list(tmp_path.iterdir()) == [mine]


def test_a_write_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """After a write there is the file and no other."""
    write_atomic(tmp_path / "a" / "b", b"x")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
