"""What is kept of a module's source: right or made anew, and never needed."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from quantflow.data.sealed import sealed
from quantflow.stages.module_source import module_source

SOURCE = "from . import near\nimport far.away\n\ndef f(x):\n    return x + 1\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    return path


def read(path: Path, package: str = "package") -> tuple[str, tuple[str, ...]]:
    """As a process that has not read it before."""
    module_source.cache_clear()
    return module_source(path, package)


def kept(path: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(path))).with_suffix(".code")


def test_it_is_kept_beside_the_bytecode_and_believed(module: Path) -> None:
    """The second time nothing is parsed: what was kept is what is returned."""
    first = read(module)
    assert first[1] == ("package", "package.near", "far.away")
    assert read(module) == first
    record = json.loads(kept(module).read_bytes())
    record.pop("seal")
    kept(module).write_text(json.dumps(sealed({**record, "hash": "as kept"})))
    assert read(module) == ("as kept", first[1])


def test_a_changed_source_or_package_is_read_anew(module: Path) -> None:
    """Whatever the times of the files say."""
    before = read(module)
    assert read(module, "other")[1] == ("other", "other.near", "far.away")
    module.write_text(SOURCE.replace("+ 1", "+ 2"))
    assert read(module)[0] != before[0]
    module.write_text(SOURCE.replace("\n\n", "\n\n# why\n"))
    assert read(module) == before


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b"\xff", b'{"made_from": 1'])
def test_damage_is_made_anew(module: Path, damage: bytes) -> None:
    """A torn or altered record is not believed."""
    right = read(module)
    whole = kept(module).read_bytes()
    kept(module).write_bytes(damage)
    assert read(module) == right
    kept(module).write_bytes(whole.replace(right[0][:8].encode(), b"01234567"))
    assert read(module) == right
    assert kept(module).read_bytes() == whole


def test_nothing_is_kept_where_python_writes_nothing(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when Python is told not to write bytecode, nor when the folder cannot be written; the answer is right."""
    right = read(module)
    kept(module).unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert read(module) == right
    assert not kept(module).exists()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    kept(module).parent.rmdir()
    kept(module).parent.write_text("a file, where the folder should be")
    assert read(module) == right
