"""What is kept of a module's source: right or made again, and never needed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from quantflow.data.sealed import sealed
from quantflow.pipeline import module_source as kept_sources
from quantflow.pipeline.module_source import MOST, keep_parsed, module_source

SOURCE = "from . import near\nimport far.away\n\ndef f(x):\n    return x + 1\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    return path


def forget() -> None:
    """Be a process that has read nothing."""
    for each in (module_source, kept_sources._known, kept_sources._fresh, kept_sources._file):
        each.cache_clear()


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    forget()


def read(path: Path, package: str = "package") -> tuple[str, tuple[str, ...]]:
    """As a process that has not read it before, and keeps what it parsed."""
    forget()
    found = module_source(path, package)
    keep_parsed()
    return found


def kept(path: Path) -> Path:
    """The one file of this environment."""
    (found,) = (path.parent / "cache" / "quantflow").iterdir()
    return found


def test_it_is_kept_in_the_users_cache_folder_and_believed(module: Path) -> None:
    """The second time nothing is parsed: what was kept is returned; folder and file are the user's alone."""
    first = read(module)
    assert first[1] == ("package", "package.near", "far.away")
    assert read(module) == first
    sources = json.loads(kept(module).read_bytes())["sources"]
    (key,) = sources
    kept(module).write_text(json.dumps(sealed({"sources": {key: ["as kept", list(first[1])]}})))
    assert read(module) == ("as kept", first[1])
    assert kept(module).stat().st_mode & 0o077 == kept(module).parent.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in module.parent.iterdir()) == ["cache", "module.py"]


def test_what_other_processes_kept_stays(module: Path) -> None:
    """Processes that parse different modules at the same time do not undo each other; the oldest make room."""
    read(module)
    other = module.with_name("other.py")
    other.write_text("import numpy\n")
    forget()
    module_source(other, "package")  # parsed, not kept yet
    first = kept(module).read_bytes()
    module.write_text("import pandas\n")
    both = [{"package.near"}, {"pandas"}, {"numpy"}]
    keeping = dict(kept_sources._fresh())
    read(module)
    assert kept(module).read_bytes() != first
    kept_sources._fresh().update(keeping)
    keep_parsed()
    sources = json.loads(kept(module).read_bytes())["sources"]
    assert [bool(names & set(imports)) for names, (_, imports) in zip(both, sources.values(), strict=True)] == [
        True
    ] * 3
    kept_sources._fresh().update({str(number): ("", ()) for number in range(MOST)})
    keep_parsed()
    assert list(json.loads(kept(module).read_bytes())["sources"]) == [str(number) for number in range(MOST)]


def test_a_changed_source_or_package_is_read_anew(module: Path) -> None:
    """Whatever the times of the files say."""
    before = read(module)
    assert read(module, "other")[1] == ("other", "other.near", "far.away")
    module.write_text(SOURCE.replace("+ 1", "+ 2"))
    assert read(module)[0] != before[0]
    module.write_text(SOURCE.replace("\n\n", "\n\n# why\n"))
    assert read(module) == before


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b"\xff", b'{"sources": 1', b'{"sources": {"a": 1}}'])
def test_damage_is_made_anew(module: Path, damage: bytes) -> None:
    """A torn or altered record is not believed."""
    right = read(module)
    whole = kept(module).read_bytes()
    kept(module).write_bytes(damage)
    assert read(module) == right
    kept(module).write_bytes(whole.replace(right[0][:8].encode(), b"01234567"))
    assert read(module) == right
    assert kept(module).read_bytes() == whole


@pytest.mark.parametrize("sources", [[], {"a": 1}, {"a": ["x"]}, None])
def test_another_shape_is_made_anew(module: Path, sources: object) -> None:
    """Even with a right seal."""
    right = read(module)
    kept(module).write_text(json.dumps(sealed({"sources": sources})))
    assert read(module) == right


def test_nothing_is_kept_where_there_is_no_folder(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No home, a file in the folder's place, another user's folder, or one that others may write: it is parsed."""
    right = read(module)
    file = kept(module)
    folder = file.parent
    folder.chmod(0o777)
    file.write_text(json.dumps(sealed({"sources": {}})))
    assert read(module) == right
    assert json.loads(file.read_bytes())["sources"] == {}
    folder.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert read(module) == right
    assert json.loads(file.read_bytes())["sources"] == {}
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(module))
    assert read(module) == right
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", _no_home)
    assert read(module) == right


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")
