"""The code version: changed by what a stage computes, and by nothing else."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantflow.pipeline import code_version as module
from quantflow.pipeline.module_source import module_source
from quantflow.pipeline.registry import StageRegistry
from quantflow.stages.validation import REPLAYED, ValidationStage

STAGE = '''
"""A stage."""
from quantflow.pipeline.stage import BasePipelineStage, Kind
from {package}.helper import double

class DoubleStage(BasePipelineStage):
    id, kind, needs, makes = "double", Kind.COMPUTE, ("a",), ("b",)

    def run(self, inputs, config):
        """Double it."""
        return {{"b": double(inputs["a"])}}
'''
HELPER = "from {package} import deeper\n\ndef double(x):\n    # why\n    return deeper.twice(x)\n"
DEEPER = "def twice(x):\n    return x * 2\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A plug-in package on the path: a stage, its helper, and the helper's helper."""
    folder = tmp_path / "plugged"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "stage.py").write_text(STAGE.format(package="plugged"))
    (folder / "helper.py").write_text(HELPER.format(package="plugged"))
    (folder / "deeper.py").write_text(DEEPER)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "plugged"]:
        del sys.modules[name]


def version() -> str:
    for cached in (module._closure, module._source, module._folders, module_source):
        cached.cache_clear()
    importlib.invalidate_caches()
    return module.code_version(importlib.import_module("plugged.stage").DoubleStage())


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("stage.py", '"b": double', '"b": 1 + double'),
        ("helper.py", "twice(x)", "twice(x + 1)"),
        ("deeper.py", "x * 2", "x * 3"),
        ("helper.py", "import deeper", "import deeper, stage"),
    ],
)
def test_changed_code_is_a_new_version(package: Path, file: str, old: str, new: str) -> None:
    """The stage, a helper, or a helper's helper: any change of meaning counts."""
    before = version()
    path = package / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert version() != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("helper.py", "# why", "# because"),
        ("stage.py", "Double it.", "Make it twice as much."),
        ("deeper.py", "def twice", "\n\n\ndef twice"),
        ("deeper.py", "x * 2", "(x\n        * 2)"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(package: Path, file: str, old: str, new: str) -> None:
    """What does not change the result does not recompute it."""
    before = version()
    path = package / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert version() == before


def test_the_version_is_the_same_in_another_folder(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop, a container and a worker agree, wherever the package lies."""
    before = version()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    package.rename(elsewhere / "plugged")
    for name in [name for name in sys.modules if name.split(".")[0] == "plugged"]:
        del sys.modules[name]
    monkeypatch.syspath_prepend(str(elsewhere))
    assert version() == before


def test_a_walk_forward_depends_on_the_stages_that_it_replays() -> None:
    """A change in any replayed stage is a change of the validation stage."""
    names = StageRegistry.get("validation").modules()
    assert names == {f"quantflow.stages.{name}" for name in ("validation", *REPLAYED)}
    closure, _ = module._closure(names, frozenset({"quantflow"}))
    assert {"quantflow.quant.features", "quantflow.quant.clusters", "quantflow.quant.allocation"} <= set(closure)


def test_the_package_version_covers_templates_and_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose report has another template, or whose built-in profile is another one, has another quantflow."""
    folder = tmp_path / "quantflow" / "pipeline"
    folder.mkdir(parents=True)
    monkeypatch.setattr(module, "__file__", str(folder / "code_version.py"))
    seen = set()
    for name in ("a.py", "b.toml", "c.html", "d.css"):
        (folder / name).write_text("x")
        module.package_version.cache_clear()
        seen.add(module.package_version())
    assert len(seen) == 4
    module.package_version.cache_clear()


def test_two_stages_of_one_module_are_told_apart(package: Path) -> None:
    """Profiles may put one or the other in the place of a stage: neither is given what the other made."""
    stage = (package / "stage.py").read_text()
    (package / "stage.py").write_text(f"{stage}\n\nclass Other(DoubleStage):\n    pass\n")
    found = version()
    plugged = importlib.import_module("plugged.stage")
    assert module.code_version(plugged.Other()) != found
    own, other = ([StageRegistry.get(name) for name in REPLAYED[:-1]] for _ in range(2))
    assert module.code_version(ValidationStage([*own, plugged.DoubleStage()])) != module.code_version(
        ValidationStage([*other, plugged.Other()])
    )
