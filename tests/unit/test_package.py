"""The package's public names."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import quantflow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", quantflow.__all__)
def test_each_public_name_is_there(name: str) -> None:
    """What ``__all__`` promises can be imported from the package."""
    assert getattr(quantflow, name).__name__ == name


def test_the_version_is_the_installed_one() -> None:
    """``quantflow.__version__`` and ``quantflow --version`` agree."""
    shown = subprocess.run([sys.executable, "-m", "quantflow", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"quantflow {quantflow.__version__}\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that does not exist fails as in any module."""
    with pytest.raises(AttributeError, match="nonsense"):
        _ = quantflow.nonsense


def test_the_image_has_versions_that_the_package_allows() -> None:
    """``deploy/requirements.txt`` pins every dependency, those of the extras that the image has too, within bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["s3"], *extras["crypto"]]
    lines = (ROOT / "deploy" / "requirements.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[requirement.name]), requirement
