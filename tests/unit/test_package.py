"""The package's public names."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import quantflow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", quantflow.__all__)
def test_each_public_name_is_there(name: str) -> None:
    """What ``__all__`` promises can be imported from the package."""
    assert getattr(quantflow, name).__name__.rpartition(".")[2] == name


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


def names_used(service: dict[str, Any], kind: str) -> set[str]:
    """What a service names of the file's tables: a volume by its short or long form; a path is not a name."""
    used = service.get(kind) or []
    words = [each if isinstance(each, str) else each.get("source", "") for each in used]
    if kind == "volumes":
        named = [each for each in used if isinstance(each, str) or each.get("type") == "volume"]
        words = [each.partition(":")[0] if isinstance(each, str) else each.get("source", "") for each in named]
    return {word for word in words if word and not word.startswith((".", "/", "~", "$"))}


@pytest.mark.parametrize("kind", ["volumes", "networks", "secrets", "configs", "models"])
def test_compose_declares_what_its_services_name(kind: str) -> None:
    """Compose starts nothing at all when a service names a volume, network or secret that the file does not declare."""
    document = yaml.safe_load((ROOT / "compose.yaml").read_text())
    used = set().union(*(names_used(service, kind) for service in document["services"].values()))
    assert used <= {"default", *document.get(kind, {})}
    assert used or kind != "volumes"


def test_compose_waits_for_services_that_it_has() -> None:
    """A service that another one depends on is in the file."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert {name for service in services.values() for name in service.get("depends_on", ())} <= set(services)


def test_the_build_needs_its_backend_alone() -> None:
    """What a source distribution is built with is downloaded by everyone who installs from it."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    assert [Requirement(text).name for text in build["requires"]] == ["hatchling"]
