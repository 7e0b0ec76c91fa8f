"""An installed quantflow that has been used, and is uninstalled."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from processes import bare_environment

ROOT = Path(__file__).parents[2]
USE = """
from quantflow.quant import kernels
from quantflow.quant.grouping import ward
import numpy
from quantflow.pipeline.code_version import code_version
from quantflow.pipeline.registry import SELECTION, StageRegistry
assert "{site}" in kernels.__file__
kernels._bar_at(numpy.array([1.0, 2.0]), 1)
print(len([code_version(StageRegistry.get(name)) for name in SELECTION]))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with quantflow's wheel and pip; what quantflow needs is lent by this one."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    venv.create(folder / "env", with_pip=True)
    found = folder / "env" / "bin" / "python"
    install = [found, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", *folder.glob("*.whl")]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    (site(found) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return found


def site(python: Path) -> Path:
    """The folder of installed packages."""
    (found,) = python.parents[1].glob("lib/python*/site-packages")
    return found


def test_nothing_is_left(python: Path, tmp_path: Path) -> None:
    """What quantflow computes for later is in the user's cache: uninstalled, not a file or an empty package remains."""
    environment = {**bare_environment(), "HOME": str(tmp_path)}
    environment.pop("XDG_CACHE_HOME", None)
    environment.pop("NUMBA_CACHE_DIR", None)
    code = USE.format(site=python.parents[1])
    used = subprocess.run(
        [python, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert used.stdout == "9\n", used.stderr
    kept = [path.suffix for path in (tmp_path / ".cache" / "quantflow").rglob("*") if path.is_file()]
    assert {".json", ".nbi", ".nbc"} <= set(kept)
    assert list((site(python) / "quantflow").rglob("*.pyc"))

    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "quantflow"], check=True, cwd=tmp_path)
    (site(python) / "lent.pth").unlink()
    assert not [path.name for path in site(python).iterdir() if "quantflow" in path.name]
    done = subprocess.run([python, "-c", "import quantflow"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError: No module named 'quantflow'" in done.stderr
